#include "builder/dockerfile/named_context.h"

#include "tests/unit/dockerfile/build_support.h"

namespace kiln::dockerfile {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

LowerOptions with(const std::string& name, decltype(NamedContext::from) from) {
  LowerOptions options = test_options();
  options.contexts.emplace(name, NamedContext{name, "value", std::move(from)});
  return options;
}

LowerOptions with_image(const std::string& name) {
  return with(name, ImageContext{Reference::parse("other:1"), false});
}

std::vector<std::string> references_of(const std::string& text, const LowerOptions& options) {
  std::vector<std::string> references;
  for (const ImageNeed& need : missing_images(Document::parse("Dockerfile", text), options, {}))
    references.push_back(need.reference.familiar());
  return references;
}

TEST(ContextKey, IsTheFamiliarNameWithoutLatest) {
  EXPECT_EQ(context_key("alpine"), "alpine");
  EXPECT_EQ(context_key("docker.io/library/alpine:latest"), "alpine");
  EXPECT_EQ(context_key("alpine:3.20"), "alpine:3.20");
  EXPECT_EQ(context_key("ghcr.io/a/b"), "ghcr.io/a/b");
  EXPECT_EQ(context_key("alpine:latest::linux/arm64"), "alpine::linux/arm64");
  EXPECT_THROW((void)context_key("Not A Name"), Error);
}

TEST(NamedContexts, StandForAnImageHoweverItIsWritten) {
  for (const char* from : {"alpine", "alpine:latest", "docker.io/library/alpine"})
    EXPECT_THAT(references_of(std::string("FROM ") + from + "\n", with_image("alpine")),
                ElementsAre("other:1"));
  EXPECT_THAT(references_of("FROM alpine:3\n", with_image("alpine")), ElementsAre("alpine:3"));
  EXPECT_THAT(references_of("FROM scratch\nCOPY --from=alpine /a /a\n", with_image("alpine")),
              ElementsAre("other:1"));
}

TEST(NamedContexts, GiveWayToAStageThatIsNamedLikeAnImage) {
  // source: BuildKit findStateByName comes before the look for a context
  EXPECT_THAT(references_of("FROM busybox AS base\nFROM base\n", with_image("busybox")),
              ElementsAre("other:1"));
}

TEST(NamedContexts, TakeThePlaceOfAStageOfTheirName) {
  const std::string text = "FROM busybox AS base\nRUN false\nFROM base\nRUN true\n";
  EXPECT_THAT(references_of(text, with_image("base")), ElementsAre("other:1"));
  const Lowered lowered = lower_text(text, with_image("base"));
  EXPECT_THAT(names_of(lowered), ElementsAre("[context base] value", "[stage-1 1/1] RUN true"));
}

TEST(NamedContexts, OfOnePlatformGoBeforeThoseOfAll) {
  LowerOptions options = with_image("alpine");
  options.contexts.emplace(
      "alpine::linux/amd64",
      NamedContext{"alpine::linux/amd64", "", ImageContext{Reference::parse("amd:2"), false}});
  EXPECT_THAT(references_of("FROM alpine\n", options), ElementsAre("amd:2"));
  EXPECT_THAT(references_of("FROM --platform=linux/arm64 alpine\n", options),
              ElementsAre("other:1"));
}

TEST(NamedContexts, NeverStandForScratchOrTheContext) {
  EXPECT_THAT(references_of("FROM scratch\n", with_image("scratch")), ElementsAre());
  EXPECT_THAT(references_of("FROM scratch\nCOPY --from=context /a /\n", with_image("context")),
              ElementsAre("context:latest"));
}

TEST(NamedContexts, LocalOnesAreReadAsFarAsACopyNeeds) {
  const Lowered lowered =
      lower_text("FROM scratch\nCOPY --from=src a b /\n", with("src", LocalContext{{"*.o"}}));
  const auto& source = std::get<graph::SourceOp>(lowered.graph[1].op);
  const auto& local = std::get<graph::LocalSource>(source);
  EXPECT_EQ(local.name, "context:src");
  EXPECT_THAT(local.include, ElementsAre("a", "b"));
  EXPECT_THAT(local.exclude, ElementsAre("*.o"));
  EXPECT_EQ(lowered.graph[1].name, "[context src] load from client");
}

TEST(NamedContexts, AFileSystemOfLocalFilesHasALayerThatTheHistoryNames) {
  const LowerOptions options = with("rootfs", LocalContext{});
  const Lowered lowered = lower_text("FROM rootfs\nRUN true\n", options);
  EXPECT_EQ(lowered.config.platform.str(), "linux/amd64");
  EXPECT_THAT(history_of(lowered),
              ElementsAre("RUN /bin/sh -c true # buildkit", "mount / from exec /bin/sh -c true"));
  EXPECT_EQ(lowered.history.back().entry.comment, "buildkit.exporter.image.v0");
  EXPECT_THAT(history_of(lower_text("FROM rootfs\n", options)),
              ElementsAre("local source for rootfs"));
}

TEST(NamedContexts, AStageNameThatNoContextCouldHaveIsRefused) {
  EXPECT_THAT(error_text("FROM scratch AS build-\n"), HasSubstr("invalid stage name \"build-\""));
}

}  // namespace
}  // namespace kiln::dockerfile
