#include "proto/oci.h"

#include <gmock/gmock.h>

#include "proto/error.h"

namespace kiln::oci {
namespace {

Descriptor descriptor(std::string_view type, std::string_view text) {
  return {std::string(type), sha256(text), text.size(), {}, {}};
}

TEST(Manifest, IsWrittenInTheOrderOfTheSpecification) {
  Manifest manifest{.media_type = std::string(kManifest),
                    .config = descriptor(kConfig, "abc"),
                    .layers = {descriptor(kLayerGzip, "abc")},
                    .annotations = {{"k", "v"}}};
  const std::string digest = sha256("abc").str();
  EXPECT_EQ(to_json(manifest),
            R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",)"
            R"("config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":")" +
                digest +
                R"(","size":3},"layers":[{"mediaType":)"
                R"("application/vnd.oci.image.layer.v1.tar+gzip","digest":")" +
                digest + R"(","size":3}],"annotations":{"k":"v"}})");
}

TEST(Manifest, ComesBackAsItWasWritten) {
  Manifest manifest{.media_type = std::string(kDockerManifest),
                    .config = descriptor(kDockerConfig, "config"),
                    .layers = {descriptor(kDockerLayerGzip, "a"), descriptor(kLayerZstd, "b")},
                    .annotations = {{"org.opencontainers.image.title", "é \" \\ \n"}}};
  manifest.layers[1].annotations["x"] = "y";
  manifest.layers[1].size_bytes = 1ULL << 50U;
  const Manifest again = parse_manifest(to_json(manifest));
  EXPECT_EQ(again.media_type, manifest.media_type);
  EXPECT_EQ(again.config, manifest.config);
  EXPECT_EQ(again.layers, manifest.layers);
  EXPECT_EQ(again.annotations, manifest.annotations);
  EXPECT_EQ(to_json(again), to_json(manifest));
}

TEST(Manifest, WithoutLayersIsAManifest) {
  const Manifest manifest{.media_type = std::string(kManifest),
                          .config = descriptor(kConfig, "{}"),
                          .layers = {},
                          .annotations = {}};
  EXPECT_TRUE(parse_manifest(to_json(manifest)).layers.empty());
}

Descriptor for_platform(const char* platform) {
  Descriptor result = descriptor(kManifest, platform);
  result.platform = Platform::parse(platform);
  return result;
}

TEST(Index, ComesBackAsItWasWritten) {
  Index index{.media_type = std::string(kIndex),
              .manifests = {for_platform("linux/amd64"), for_platform("linux/arm/v7")},
              .annotations = {}};
  index.manifests[0].platform->os_version = "10.0";
  const Index again = parse_index(to_json(index));
  EXPECT_EQ(again.manifests, index.manifests);
  EXPECT_EQ(to_json(again), to_json(index));
}

TEST(Index, TheNearestPlatformIsChosen) {
  const Index index{.media_type = std::string(kIndex),
                    .manifests = {for_platform("linux/arm/v5"), for_platform("linux/arm/v6"),
                                  for_platform("linux/amd64"), for_platform("windows/amd64")},
                    .annotations = {}};
  EXPECT_EQ(choose(index, Platform::parse("linux/arm/v7")), index.manifests[1]);
  EXPECT_EQ(choose(index, Platform::parse("linux/amd64")), index.manifests[2]);
  EXPECT_EQ(choose(index, Platform::parse("linux/s390x")), std::nullopt);
}

TEST(Index, AttestationsAreNotImages) {
  const std::string digest = sha256("x").str();
  const Index index = parse_index(
      R"({"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
      digest + R"(","size":1,"platform":{"os":"unknown","architecture":"unknown"}}]})");
  EXPECT_EQ(choose(index, Platform::host()), std::nullopt);
}

TEST(Index, PlatformsAreReadInOneForm) {
  const std::string digest = sha256("x").str();
  const Index index = parse_index(
      R"({"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" +
      digest + R"(","size":1,"platform":{"os":"linux","architecture":"arm64","variant":"v8"}}]})");
  EXPECT_TRUE(choose(index, Platform::parse("linux/arm64")));
}

TEST(MediaTypeOf, IsWhatTheDocumentSaysElseItsShape) {
  EXPECT_EQ(media_type_of(R"({"mediaType":"x/y"})"), "x/y");
  EXPECT_EQ(media_type_of(R"({"schemaVersion":2,"manifests":[]})"), kIndex);
  EXPECT_EQ(media_type_of(R"({"schemaVersion":2,"config":{}})"), kManifest);
  EXPECT_THROW((void)media_type_of("{}"), Error);
}

TEST(MediaTypeOf, ARetiredFormatIsNamed) {
  try {
    (void)media_type_of(R"({"schemaVersion":1,"name":"x","fsLayers":[]})");
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("schema 1"));
  }
}

TEST(MediaTypes, OfDockerCountAsThoseOfOci) {
  EXPECT_TRUE(is_manifest(kManifest) && is_manifest(kDockerManifest));
  EXPECT_TRUE(is_index(kIndex) && is_index(kDockerManifestList));
  EXPECT_FALSE(is_manifest(kIndex) || is_index(kManifest) || is_manifest(""));
  for (const std::string_view layer :
       {kLayer, kLayerGzip, kLayerZstd, kDockerLayerGzip,
        std::string_view("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        std::string_view("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd")}) {
    EXPECT_TRUE(is_layer(layer)) << layer;
  }
  for (const std::string_view other :
       {kConfig, std::string_view("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
        std::string_view("application/vnd.cncf.helm.chart.content.v1.tar+gzip"),
        std::string_view("")}) {
    EXPECT_FALSE(is_layer(other)) << other;
  }
}

}  // namespace
}  // namespace kiln::oci
