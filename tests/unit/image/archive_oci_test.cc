#include "builder/image/archive_oci.h"

#include <gmock/gmock.h>

#include "tests/unit/image/fixture.h"

namespace kiln::image::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const Reference kName = Reference::parse("app:1");

/// An index of amd64 and arm64 in `store`.
oci::Descriptor store_index(const TestStore& store) {
  oci::Index index{std::string(oci::kIndex), {}, {}};
  index.manifests.push_back(store_test_image(store.blobs, {layer_tar("a", "1")}, "amd64"));
  index.manifests.push_back(store_test_image(store.blobs, {layer_tar("a", "2")}, "arm64"));
  const std::string text = oci::to_json(index);
  return {std::string(oci::kIndex), store.blobs.put(text), text.size(), {}, {}};
}

/// An archive of these blobs of `store` with that index.json.
std::string archive_of(const TestStore& store,
                       const std::vector<std::string>& blobs,
                       const std::vector<oci::Descriptor>& listed) {
  TarBuilder tar;
  tar.file("index.json", oci::to_json(oci::Index{std::string(oci::kIndex), listed, {}}));
  for (const std::string& name : blobs)
    tar.file("./blobs/sha256/" + name, read_text(store.scratch / ("blobs/sha256/" + name)));
  return tar.finish();
}

TEST(ReadOciArchive, GivesBackWhatWasWritten) {
  const TestStore from;
  const oci::Descriptor one =
      store_test_image(from.blobs, {layer_tar("a", "1"), layer_tar("b", "2")});
  const oci::Descriptor two =
      store_test_image(from.blobs, {layer_tar("a", "1"), layer_tar("c", "3")});
  const std::vector<ArchivedImage> images{{one, {kName, Reference::parse("app:latest")}},
                                          {two, {}}};
  for (const ArchiveFormat format : {ArchiveFormat::oci, ArchiveFormat::docker}) {
    const TestStore to;
    const auto found = to.read(from.write(images, format));
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(found[0].root, one);
    EXPECT_EQ(found[0].names, images[0].names);
    EXPECT_EQ(found[1].root, two);
    EXPECT_THAT(found[1].names, IsEmpty());
    EXPECT_EQ(to.blob_names(), from.blob_names());
    EXPECT_EQ(to.temporary_files(), 0U);
  }
}

TEST(ReadOciArchive, ReadsCompressedArchives) {
  const TestStore from;
  const oci::Descriptor root = store_test_image(from.blobs, {layer_tar("a", "1")});
  write_text(from.scratch / "image.tar", from.write({{root, {kName}}}, ArchiveFormat::oci));
  for (const std::string program : {"gzip", "zstd", "xz", "bzip2"}) {
    if (!installed(program)) continue;
    const auto file = from.scratch / ("image." + program);
    ASSERT_EQ(run(program + " -c " + (from.scratch / "image.tar").string() + " > " + file.string())
                  .status,
              0);
    const TestStore to;
    const auto found = to.read_file(file);
    ASSERT_EQ(found.size(), 1U) << program;
    EXPECT_EQ(found[0].root, root) << program;
  }
}

TEST(ReadOciArchive, TakesBlobsFromTheStoreThatTheArchiveLacks) {
  const TestStore from;
  const oci::Descriptor root = store_test_image(from.blobs, {layer_tar("a", "1")});
  const oci::Manifest manifest = oci::parse_manifest(from.blobs.read(root.digest, 1 << 20));
  const std::string archive = archive_of(
      from, {std::string(root.digest.hex()), std::string(manifest.config.digest.hex())}, {root});
  const TestStore to;
  const Error error = error_of([&] { (void)to.read(archive); });
  EXPECT_EQ(error.code(), Errc::corrupt);
  EXPECT_THAT(error.what(), HasSubstr(manifest.layers[0].digest.str() + ": missing"));
  EXPECT_THAT(to.blob_names(), IsEmpty());
  EXPECT_EQ(to.temporary_files(), 0U);

  to.blobs.put(from.blobs.read(manifest.layers[0].digest, 1 << 20));
  EXPECT_EQ(to.read(archive).at(0).root, root);
  EXPECT_EQ(to.blob_names(), from.blob_names());
}

TEST(ReadOciArchive, LeavesWhatNoImageNeedsOutOfTheStore) {
  const TestStore from;
  const oci::Descriptor root = store_test_image(from.blobs, {layer_tar("a", "1")});
  const std::vector<std::string> needed = from.blob_names();
  const Digest other = from.blobs.put("something else");
  const Digest known = from.blobs.put("known before");
  const std::string archive = archive_of(from, from.blob_names(), {root});
  const TestStore to;
  to.blobs.put("known before");
  (void)to.read(archive);
  EXPECT_FALSE(to.blobs.has(other));
  EXPECT_TRUE(to.blobs.has(known));
  EXPECT_EQ(to.blob_names().size(), needed.size() + 1);
  EXPECT_EQ(to.temporary_files(), 0U);
}

TEST(ReadOciArchive, ReplacesADamagedBlobOfTheStore) {
  const TestStore from;
  const oci::Descriptor root = store_test_image(from.blobs, {layer_tar("a", "1")});
  const std::string archive = from.write({{root, {}}}, ArchiveFormat::oci);
  const TestStore to;
  write_text(to.blobs.path(root.digest), "cut off");
  (void)to.read(archive);
  EXPECT_EQ(sha256(read_text(to.blobs.path(root.digest))), root.digest);
}

TEST(ReadOciArchive, LeasesWhatItGivesBeforeItIsThere) {
  const TestStore from;
  const oci::Descriptor root = store_test_image(from.blobs, {layer_tar("a", "1")});
  const std::string archive = from.write({{root, {}}}, ArchiveFormat::oci);
  const TestStore to;
  store::LeaseTable leases;
  store::Lease lease(leases);
  (void)read_archive(std::make_unique<BytesSource>(as_bytes(archive)), to.blobs, {}, &lease);
  for (const std::string& name : to.blob_names())
    EXPECT_TRUE(leases.holds(Digest::parse("sha256:" + name)));
}

TEST(ReadOciArchive, ReducesAnIndexToTheOnePlatformThatIsThere) {
  const TestStore from;
  const oci::Descriptor root = store_index(from);
  const oci::Index index = oci::parse_index(from.blobs.read(root.digest, 1 << 20));
  std::vector<std::string> names = from.blob_names();
  std::erase(names, index.manifests[0].digest.hex());
  oci::Descriptor listed = root;
  listed.annotations = layout_annotations(kName);
  const TestStore to;
  const auto images = to.read(archive_of(from, names, {listed}));
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(images[0].root, index.manifests[1]);
  EXPECT_THAT(images[0].names, ElementsAre(kName));
  EXPECT_EQ(to.blob_names().size(), 3U) << "manifest, configuration, layer of arm64";
}

TEST(ReadOciArchive, RefusesAnIndexOfWhichNothingIsThere) {
  const TestStore from;
  const oci::Descriptor root = store_index(from);
  const TestStore to;
  const Error error =
      error_of([&] { (void)to.read(archive_of(from, {std::string(root.digest.hex())}, {root})); });
  EXPECT_EQ(error.code(), Errc::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("none of the 2 manifests"));
}

TEST(ReadOciArchive, PassesOverWhatIsListedAndIsNoImage) {
  const TestStore from;
  const oci::Descriptor root = store_test_image(from.blobs, {layer_tar("a", "1")});
  oci::Descriptor attestation = store_test_image(from.blobs, {layer_tar("in-toto", "{}")});
  attestation.platform = Platform{"unknown", "unknown", "", ""};
  const oci::Descriptor signature{"application/vnd.example.signature", sha256("gone"), 4, {}, {}};
  const TestStore to;
  const auto images = to.read(archive_of(from, from.blob_names(), {attestation, signature, root}));
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(images[0].root, root);
  EXPECT_EQ(to.blob_names().size(), 3U);
}

TEST(ReadOciArchive, FindsThePlatformWhereTheIndexDoesNotSayIt) {
  const TestStore from;
  oci::Descriptor root = store_test_image(from.blobs, {layer_tar("a", "1")}, "arm64");
  root.platform.reset();
  const TestStore to;
  const auto images = to.read(from.write({{root, {}}}, ArchiveFormat::oci));
  EXPECT_EQ(images.at(0).root.platform, Platform::parse("linux/arm64"));
}

TEST(NameInLayout, IsTheWholeNameOrNone) {
  const Digest image = sha256("image");
  const auto name = [&](const oci::Annotations& annotations) {
    const auto found = name_in_layout(annotations, image);
    return found ? found->str() : "";
  };
  constexpr const char* kContainerd = "io.containerd.image.name";
  constexpr const char* kRef = "org.opencontainers.image.ref.name";
  EXPECT_EQ(name({{kContainerd, "docker.io/library/app:1"}, {kRef, "1"}}),
            "docker.io/library/app:1");
  EXPECT_EQ(name({{kRef, "latest"}}), "");
  EXPECT_EQ(name({{kRef, "app:1"}}), "docker.io/library/app:1");
  EXPECT_EQ(name({{kRef, "localhost/app"}}), "localhost/app:latest");
  EXPECT_EQ(name({{kRef, "Not a name/"}}), "");
  EXPECT_EQ(name({}), "");
}

TEST(NameInLayout, BelievesADigestOnlyWhenItIsTheImages) {
  const Digest image = sha256("image");
  const auto annotations = [](const Digest& digest) {
    return oci::Annotations{{"io.containerd.image.name", "app@" + digest.str()}};
  };
  EXPECT_TRUE(name_in_layout(annotations(image), image).has_value());
  EXPECT_FALSE(name_in_layout(annotations(sha256("other")), image).has_value());
}

}  // namespace
}  // namespace kiln::image::test
