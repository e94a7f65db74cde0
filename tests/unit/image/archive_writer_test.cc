#include <gmock/gmock.h>

#include "tests/unit/image/fixture.h"

namespace kiln::image::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const Reference kName = Reference::parse("registry.example/app:1");

TEST(WriteArchive, HoldsSortedEntriesOfRootDatedZero) {
  const TestStore store;
  const oci::Descriptor root = store_test_image(store.blobs, {layer_tar("a", "1")});
  write_text(store.scratch / "out.tar", store.write({{root, {kName}}}, ArchiveFormat::docker));
  const std::string file = (store.scratch / "out.tar").string();
  const CommandResult names = run("tar tf " + file);
  ASSERT_EQ(names.status, 0) << names.output;
  std::string expected = "blobs/\nblobs/sha256/\n";
  for (const std::string& blob : store.blob_names())
    expected += "blobs/sha256/" + blob + "\n";
  EXPECT_EQ(names.output, expected + "index.json\nmanifest.json\noci-layout\n");
  const CommandResult listing =
      run("TZ=UTC tar tvf " + file + " --numeric-owner | grep -v ' 0/0 .* 1970-01-01 00:00 '");
  EXPECT_EQ(listing.output, "");
}

TEST(WriteArchive, GivesEqualBytesForEqualImages) {
  const TestStore one;
  const TestStore two;
  // The other store has the same image after another one.
  (void)store_test_image(two.blobs, {layer_tar("b", "2")});
  const std::vector<std::string> layers{layer_tar("a", "1"), layer_tar("c", "3")};
  const oci::Descriptor root = store_test_image(one.blobs, layers);
  ASSERT_EQ(root, store_test_image(two.blobs, layers));
  for (const ArchiveFormat format : {ArchiveFormat::oci, ArchiveFormat::docker})
    EXPECT_EQ(one.write({{root, {kName}}}, format), two.write({{root, {kName}}}, format));
}

TEST(WriteArchive, NamesImagesAsContainerdAndDockerDo) {
  const TestStore store;
  const oci::Descriptor root = store_test_image(store.blobs, {layer_tar("a", "1")});
  const std::vector<Reference> names{kName, Reference::parse("busybox:latest")};
  write_text(store.scratch / "out.tar", store.write({{root, names}}, ArchiveFormat::docker));
  const std::string tar = "tar xOf " + (store.scratch / "out.tar").string() + " ";
  const oci::Index index = oci::parse_index(run(tar + "index.json").output);
  ASSERT_EQ(index.manifests.size(), 2U);
  EXPECT_EQ(index.manifests[0].digest, root.digest);
  EXPECT_EQ(index.manifests[0].annotations.at("io.containerd.image.name"),
            "registry.example/app:1");
  EXPECT_EQ(index.manifests[0].annotations.at("org.opencontainers.image.ref.name"), "1");
  EXPECT_EQ(index.manifests[1].annotations.at("io.containerd.image.name"),
            "docker.io/library/busybox:latest");
  EXPECT_THAT(run(tar + "manifest.json").output,
              HasSubstr(R"("RepoTags":["registry.example/app:1","busybox:latest"])"));
  EXPECT_EQ(run(tar + "oci-layout").output, R"({"imageLayoutVersion":"1.0.0"})");
}

TEST(WriteArchive, HoldsAllPlatformsOfAnIndexInOciFormatOnly) {
  const TestStore store;
  oci::Index index{std::string(oci::kIndex), {}, {}};
  index.manifests.push_back(store_test_image(store.blobs, {layer_tar("a", "1")}, "amd64"));
  index.manifests.push_back(store_test_image(store.blobs, {layer_tar("a", "2")}, "arm64"));
  const std::string text = oci::to_json(index);
  const oci::Descriptor root{std::string(oci::kIndex), store.blobs.put(text), text.size(), {}, {}};
  const Error error =
      error_of([&] { (void)store.write({{root, {kName}}}, ArchiveFormat::docker); });
  EXPECT_EQ(error.code(), Errc::invalid_input);
  EXPECT_THAT(error.what(), HasSubstr("registry.example/app:1: 2 platforms"));

  const TestStore other;
  const auto images = other.read(store.write({{root, {kName}}}, ArchiveFormat::oci));
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(images[0].root, root);
  EXPECT_THAT(images[0].names, ElementsAre(kName));
  EXPECT_EQ(other.blob_names(), store.blob_names());
}

TEST(WriteArchive, TakesAnIndexOfOnePlatformAndItsAttestationForDocker) {
  const TestStore store;
  oci::Index index{std::string(oci::kIndex), {}, {}};
  index.manifests.push_back(store_test_image(store.blobs, {layer_tar("a", "1")}));
  index.manifests.push_back(store_test_image(store.blobs, {layer_tar("in-toto", "{}")}));
  index.manifests.back().platform = Platform{"unknown", "unknown", "", ""};
  const std::string text = oci::to_json(index);
  const oci::Descriptor root{std::string(oci::kIndex), store.blobs.put(text), text.size(), {}, {}};
  const TestStore other;
  const auto images = other.read(store.write({{root, {kName}}}, ArchiveFormat::docker));
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(images[0].root.digest, root.digest);
}

TEST(WriteArchive, RefusesADamagedBlobAndForgetsIt) {
  const TestStore store;
  const oci::Descriptor root = store_test_image(store.blobs, {layer_tar("a", "1")});
  const oci::Manifest manifest = oci::parse_manifest(store.blobs.read(root.digest, 1 << 20));
  const Digest layer = manifest.layers[0].digest;
  std::string bytes = read_text(store.blobs.path(layer));
  bytes[bytes.size() / 2] ^= 1;
  write_text(store.blobs.path(layer), bytes);
  const Error error = error_of([&] { (void)store.write({{root, {}}}, ArchiveFormat::oci); });
  EXPECT_EQ(error.code(), Errc::corrupt);
  EXPECT_THAT(error.what(), HasSubstr(layer.str()));
  EXPECT_FALSE(store.blobs.has(layer));
}

TEST(WriteArchive, SaysBeforeTheFirstByteWhichBlobIsMissing) {
  const TestStore store;
  const oci::Descriptor root = store_test_image(store.blobs, {layer_tar("a", "1")});
  const oci::Manifest manifest = oci::parse_manifest(store.blobs.read(root.digest, 1 << 20));
  store.blobs.remove(manifest.layers[0].digest);
  StringSink sink(1 << 20);
  const Error error =
      error_of([&] { write_archive(store.blobs, {{root, {}}}, ArchiveFormat::oci, sink, {}); });
  EXPECT_EQ(error.code(), Errc::corrupt);
  EXPECT_THAT(error.what(), HasSubstr(manifest.layers[0].digest.str()));
  EXPECT_EQ(sink.text(), "");
}

TEST(WriteArchive, StopsWhenAsked) {
  const TestStore store;
  const oci::Descriptor root = store_test_image(store.blobs, {layer_tar("a", "1")});
  std::stop_source stop;
  stop.request_stop();
  StringSink sink(1 << 20);
  EXPECT_EQ(error_of([&] {
              write_archive(store.blobs, {{root, {}}}, ArchiveFormat::oci, sink, stop.get_token());
            }).code(),
            Errc::cancelled);
}

}  // namespace
}  // namespace kiln::image::test
