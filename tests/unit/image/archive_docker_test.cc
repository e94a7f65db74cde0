#include "builder/image/archive_docker.h"

#include <gmock/gmock.h>

#include "tests/unit/image/fixture.h"

namespace kiln::image::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kLayerA = layer_tar("a", "1");
const std::string kLayerB = layer_tar("b", "2");

oci::Manifest manifest_of(const TestStore& store, const ArchivedImage& image) {
  return oci::parse_manifest(store.blobs.read(image.root.digest, 1 << 20));
}

TEST(ReadDockerArchive, MakesManifestsForTheOldFormatWithLinksBetweenLayers) {
  const std::string config = config_json({kLayerA, kLayerA, kLayerB, kLayerB});
  const std::string archive =
      TarBuilder()
          .symlink("two/layer.tar", "../one/layer.tar")
          .file("one/VERSION", "1.0")
          .file("one/json", "{}")
          .file("one/layer.tar", kLayerA)
          .file("three/layer.tar", kLayerB)
          .hard_link("four/layer.tar", "three/layer.tar")
          .file("c.json", config)
          .file(
              "manifest.json",
              to_json({{"c.json",
                        {"app:1", "registry.example/team/app:2"},
                        {"one/layer.tar", "two/layer.tar", "three/layer.tar", "four/layer.tar"}}}))
          .file("repositories", "{}")
          .finish();
  const TestStore store;
  const auto images = store.read(archive);
  ASSERT_EQ(images.size(), 1U);
  EXPECT_THAT(images[0].names, ElementsAre(Reference::parse("app:1"),
                                           Reference::parse("registry.example/team/app:2")));
  EXPECT_EQ(images[0].root.platform, Platform::parse("linux/amd64"));
  const oci::Manifest manifest = manifest_of(store, images[0]);
  EXPECT_EQ(manifest.config.digest, sha256(config));
  EXPECT_EQ(manifest.config.media_type, oci::kConfig);
  std::vector<Digest> layers;
  for (const oci::Descriptor& layer : manifest.layers) {
    EXPECT_EQ(layer.media_type, oci::kLayer);
    layers.push_back(layer.digest);
  }
  EXPECT_THAT(layers,
              ElementsAre(sha256(kLayerA), sha256(kLayerA), sha256(kLayerB), sha256(kLayerB)));
  EXPECT_EQ(store.blob_names().size(), 4U) << "two layers, configuration, manifest";
  EXPECT_EQ(store.temporary_files(), 0U);
}

TEST(ReadDockerArchive, KeepsCompressedLayersAndTakesUncompressedOnesByTheirDiffIds) {
  const std::string archive =
      TarBuilder()
          .file("c.json", config_json({kLayerA, kLayerB}))
          .file("a.tar.gz", gzip(kLayerA))
          .file("b.tar", kLayerB)
          .file("manifest.json", to_json({{"c.json", {}, {"a.tar.gz", "b.tar"}}}))
          .finish();
  const TestStore store;
  const auto images = store.read(archive);
  const oci::Manifest manifest = manifest_of(store, images.at(0));
  EXPECT_EQ(manifest.layers.at(0).media_type, oci::kLayerGzip);
  EXPECT_EQ(manifest.layers.at(0).digest, sha256(gzip(kLayerA)));
  EXPECT_EQ(manifest.layers.at(1).media_type, oci::kLayer);
}

TEST(ReadDockerArchive, RefusesALayerThatIsNotTheConfigurations) {
  for (const std::string& wrong : {kLayerB, gzip(kLayerB)}) {
    const std::string archive =
        TarBuilder()
            .file("c.json", config_json({kLayerA}))
            .file("a.tar", wrong)
            .file("manifest.json", to_json({{"c.json", {"app:1"}, {"a.tar"}}}))
            .finish();
    const TestStore store;
    const Error error = error_of([&] { (void)store.read(archive); });
    EXPECT_EQ(error.code(), Errc::corrupt);
    EXPECT_THAT(error.what(), HasSubstr("a.tar: damaged"));
    EXPECT_THAT(store.blob_names(), IsEmpty());
    EXPECT_EQ(store.temporary_files(), 0U);
  }
}

TEST(ReadDockerArchive, NamesAMissingFile) {
  const std::string archive = TarBuilder()
                                  .file("c.json", config_json({kLayerA}))
                                  .file("manifest.json", to_json({{"c.json", {}, {"gone.tar"}}}))
                                  .finish();
  const TestStore store;
  const Error error = error_of([&] { (void)store.read(archive); });
  EXPECT_EQ(error.code(), Errc::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("gone.tar: named by manifest.json, but missing"));
}

TEST(ReadDockerArchive, RefusesAListOfLayersOfAnotherLength) {
  const std::string archive = TarBuilder()
                                  .file("c.json", config_json({kLayerA, kLayerB}))
                                  .file("a.tar", kLayerA)
                                  .file("manifest.json", to_json({{"c.json", {}, {"a.tar"}}}))
                                  .finish();
  const TestStore store;
  EXPECT_THAT(error_of([&] { (void)store.read(archive); }).what(),
              HasSubstr("2 layers, but manifest.json lists 1"));
}

TEST(ParseDockerImages, SaysWhichFieldIsWrong) {
  const auto message = [](std::string_view json) {
    return std::string(error_of([&] { (void)parse_docker_images(json); }).what());
  };
  EXPECT_EQ(message("{}"), "not a JSON array");
  EXPECT_EQ(message("[1]"), "not an array of objects");
  EXPECT_EQ(message(R"([{"Layers":[]}])"), "field \"Config\": not a string");
  EXPECT_EQ(message(R"([{"Config":"c","Layers":[1]}])"),
            "field \"Layers\": not an array of strings");
  EXPECT_EQ(message(R"([{"Config":"c","RepoTags":null,"Layers":null}])"), "");
}

}  // namespace
}  // namespace kiln::image::test
