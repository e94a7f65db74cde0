#include "builder/image/layout.h"

#include <gmock/gmock.h>

#include "tests/unit/image/fixture.h"

namespace kiln::image::test {
namespace {

using testing::HasSubstr;

/// A store's directory is a layout but for index.json.
struct Layout {
  TestStore files;
  os::Peer peer;

  void list(std::vector<oci::Descriptor> entries) const {
    write_text(files.scratch / "index.json",
               oci::to_json(oci::Index{std::string(oci::kIndex), std::move(entries), {}}));
  }

  [[nodiscard]] oci::Descriptor named(const std::string& name, const std::string& content) const {
    oci::Descriptor image = store_test_image(files.blobs, {layer_tar("a", content)});
    image.annotations["org.opencontainers.image.ref.name"] = name;
    return image;
  }

  Digest import(const TestStore& to,
                const std::string& tag,
                std::optional<Digest> digest = std::nullopt,
                const std::string& platform = "linux/amd64") const {
    store::LeaseTable leases;
    store::Lease lease(leases);
    const os::Dir directory = os::Dir::open(files.scratch.path());
    return import_layout({directory, peer, tag, std::move(digest)}, Platform::parse(platform),
                         to.blobs, lease, {});
  }
};

TEST(ImportLayout, TakesTheImageOfATagWithAllItsBlobs) {
  const Layout layout;
  const oci::Descriptor one = layout.named("one", "1");
  layout.list({one, layout.named("registry.example/app:two", "2")});
  const TestStore to;
  EXPECT_EQ(layout.import(to, "one"), one.digest);
  const oci::Manifest manifest = oci::parse_manifest(to.blobs.read(one.digest, 1 << 20));
  EXPECT_TRUE(to.blobs.has(manifest.config.digest, manifest.config.size_bytes));
  ASSERT_EQ(manifest.layers.size(), 1U);
  EXPECT_TRUE(to.blobs.has(manifest.layers[0].digest, manifest.layers[0].size_bytes));
  EXPECT_EQ(to.blob_names().size(), 3U);  // nothing of the other image
  EXPECT_NE(layout.import(to, "two"), one.digest);
}

TEST(ImportLayout, NeedsNoTagForALoneImage) {
  const Layout layout;
  const oci::Descriptor only = layout.named("it", "1");
  layout.list({only});
  const TestStore to;
  EXPECT_EQ(layout.import(to, "latest"), only.digest);
}

TEST(ImportLayout, ADigestGoesBeforeTheTag) {
  const Layout layout;
  const oci::Descriptor one = layout.named("one", "1");
  const oci::Descriptor two = layout.named("two", "2");
  layout.list({one, two});
  const TestStore to;
  EXPECT_EQ(layout.import(to, "one", two.digest), two.digest);
}

TEST(ImportLayout, ChoosesThePlatformOfAnIndex) {
  const Layout layout;
  oci::Index index{std::string(oci::kIndex), {}, {}};
  index.manifests.push_back(store_test_image(layout.files.blobs, {layer_tar("a", "1")}, "amd64"));
  index.manifests.push_back(store_test_image(layout.files.blobs, {layer_tar("a", "2")}, "arm64"));
  for (oci::Descriptor& entry : index.manifests)
    entry.platform =
        Platform::parse(&entry == index.manifests.data() ? "linux/amd64" : "linux/arm64");
  const std::string text = oci::to_json(index);
  layout.list({{std::string(oci::kIndex), layout.files.blobs.put(text), text.size(), {}, {}}});
  const TestStore to;
  EXPECT_EQ(layout.import(to, "latest", std::nullopt, "linux/arm64"), index.manifests[1].digest);
  const Error error = error_of([&] { layout.import(to, "latest", std::nullopt, "linux/s390x"); });
  EXPECT_EQ(error.code(), Errc::not_found);
  EXPECT_THAT(error.what(), HasSubstr("no image for linux/s390x"));
}

TEST(ImportLayout, ATagThatIsMissingIsToldWithThoseThereAre) {
  const Layout layout;
  layout.list({layout.named("one", "1"), layout.named("two", "2")});
  const TestStore to;
  const Error error = error_of([&] { layout.import(to, "three"); });
  EXPECT_EQ(error.code(), Errc::not_found);
  EXPECT_THAT(error.what(), HasSubstr("no image tagged \"three\"; it has one, two"));
}

TEST(ImportLayout, ADamagedLayerDoesNotGetIntoTheStore) {
  const Layout layout;
  const oci::Descriptor image = layout.named("it", "1");
  layout.list({image});
  const oci::Manifest manifest =
      oci::parse_manifest(layout.files.blobs.read(image.digest, 1 << 20));
  const auto path =
      layout.files.scratch / ("blobs/sha256/" + std::string(manifest.layers[0].digest.hex()));
  std::string bytes = read_text(path);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  std::filesystem::remove(path);
  write_text(path, bytes);
  const TestStore to;
  const Error error = error_of([&] { layout.import(to, "it"); });
  EXPECT_EQ(error.code(), Errc::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("blobs/sha256/"));
  EXPECT_FALSE(to.blobs.has(manifest.layers[0].digest, manifest.layers[0].size_bytes));
  EXPECT_FALSE(to.blobs.has(image.digest, image.size_bytes));
  EXPECT_EQ(to.temporary_files(), 0U);
}

TEST(ImportLayout, AnEntryThatIsALinkOutOfTheLayoutIsRefused) {
  const Layout layout;
  const Scratch outside;
  write_text(outside / "index.json", "{}");
  std::filesystem::create_symlink(outside / "index.json", layout.files.scratch / "index.json");
  const TestStore to;
  EXPECT_NE(std::string(error_of([&] { layout.import(to, "latest"); }).what()), "");
}

TEST(ImportLayout, ADirectoryThatIsNoneIsTold) {
  const Layout layout;
  const TestStore to;
  EXPECT_THAT(error_of([&] { layout.import(to, "latest"); }).what(),
              HasSubstr("is it an OCI layout?"));
}

}  // namespace
}  // namespace kiln::image::test
