#include "tests/unit/dockerfile/build_support.h"

namespace kiln::dockerfile {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

std::vector<std::string> asked(const std::string& text,
                               const LowerOptions& options = test_options()) {
  const Document document = Document::parse("Dockerfile", text);
  std::vector<std::string> names;
  for (const ImageNeed& need : missing_images(document, options, {}))
    names.push_back(need.reference.familiar() + " " + need.platform.str() +
                    (need.needs_config ? "" : " files only"));
  return names;
}

TEST(Stages, AskForTheImagesThatTheTargetNeeds) {
  EXPECT_THAT(asked("FROM golang AS build\nFROM node AS unused\nFROM alpine:3\n"
                    "COPY --from=build /a /b\nCOPY --from=busybox:1 /c /d\n"),
              ElementsAre("golang:latest linux/amd64", "alpine:3 linux/amd64",
                          "busybox:1 linux/amd64 files only"));
}

TEST(Stages, SelectATargetByNameOrIndex) {
  const std::string text = "FROM a AS One\nFROM b AS two\nFROM c\n";
  LowerOptions options = test_options();
  options.target = "ONE";
  EXPECT_THAT(asked(text, options), ElementsAre("a:latest linux/amd64"));
  options.target = "1";
  EXPECT_THAT(asked(text, options), ElementsAre("b:latest linux/amd64"));
  options.target = "tow";
  EXPECT_EQ(error_text(text, options),
            "Dockerfile: target stage \"tow\" could not be found; did you mean two?");
}

TEST(Stages, ExpandGlobalArguments) {
  LowerOptions options = test_options();
  const std::string text =
      "ARG BASE=alpine\nARG TAG=${MAJOR:-3}.1\nARG FULL=$BASE:$TAG\nFROM $FULL\n";
  EXPECT_THAT(asked(text, options), ElementsAre("alpine:3.1 linux/amd64"));
  options.build_args["TAG"] = "edge";
  EXPECT_THAT(asked(text, options), ElementsAre("alpine:edge linux/amd64"));
  EXPECT_THAT(error_text("ARG X\nFROM $X\n"),
              StartsWith("Dockerfile:2:6: base name ($X) should not be blank"));
}

TEST(Stages, MayStandOnEachOtherInLongChains) {
  constexpr int kStages = 60'000;  // a stack of that many calls would not fit
  std::string text = "FROM alpine AS s0\n";
  for (int i = 1; i < kStages; ++i)
    text += "FROM s" + std::to_string(i - 1) + " AS s" + std::to_string(i) + "\n";
  EXPECT_THAT(asked(text), ElementsAre("alpine:latest linux/amd64"));
}

TEST(Stages, KnowPlatforms) {
  LowerOptions options = test_options();
  options.target_platform = {"linux", "arm64", "", ""};
  EXPECT_THAT(asked("FROM --platform=$BUILDPLATFORM a AS x\nFROM b\nCOPY --from=x / /\n", options),
              ElementsAre("a:latest linux/amd64", "b:latest linux/arm64"));
  EXPECT_THAT(error_text("FROM --platform=a/b/c/d x\n"), HasSubstr("invalid platform"));
  EXPECT_THAT(error_text("FROM --platform=$NO x\n"), HasSubstr("empty platform value"));
}

TEST(Stages, BuildOnEachOther) {
  const Lowered lowered =
      lower_text("FROM a AS x\nENV A=1\nCMD [\"c\"]\nARG V=2\nFROM x\nRUN echo\n");
  EXPECT_THAT(history_of(lowered), ElementsAre("ENV A=1", "CMD [\"c\"]", "ARG V=2",
                                               "RUN |1 V=2 /bin/sh -c echo # buildkit"));
  EXPECT_THAT(last_op<graph::ExecOp>(lowered).env, ElementsAre("PATH=/bin", "A=1", "V=2"));
  EXPECT_THAT(lowered.config.config.cmd, testing::Optional(ElementsAre("c")));
  ASSERT_TRUE(lowered.base_manifest);
}

TEST(Stages, CopyFromStagesByNameIndexAndImage) {
  const Lowered lowered = lower_text(
      "FROM a AS x\nRUN one\nFROM b\nCOPY --from=X /p /q\nCOPY --from=0 /p /q\n"
      "COPY --from=img /p /q\nCOPY --from=img /r /s\n");
  EXPECT_THAT(
      names_of(lowered),
      ElementsAre(StartsWith("[x 1/2] FROM docker.io/library/a:latest@sha256:"), "[x 2/2] RUN one",
                  StartsWith("[stage-1 1/5] FROM docker.io/library/b"),
                  "[stage-1 2/5] COPY --from=X /p /q", "[stage-1 3/5] COPY --from=0 /p /q",
                  StartsWith("FROM docker.io/library/img:latest@sha256:"),
                  "[stage-1 4/5] COPY --from=img /p /q", "[stage-1 5/5] COPY --from=img /r /s"));
}

TEST(Stages, RefuseWhatCannotBeCopiedFrom) {
  EXPECT_THAT(error_text("FROM a\nCOPY --from=$x / /\n"),
              StartsWith("Dockerfile:2:6: variable expansion is not supported for --from"));
  EXPECT_THAT(error_text("FROM a\nCOPY --from=7 / /\n"), HasSubstr("invalid stage index 7"));
  EXPECT_THAT(error_text("FROM a AS x\nCOPY --from=x / /\n"),
              HasSubstr("circular dependency detected on stage: x"));
  EXPECT_THAT(error_text("FROM a AS x\nCOPY --from=y / /\nFROM x AS y\nCMD [\"z\"]\n"),
              HasSubstr("circular dependency"));
  EXPECT_THAT(error_text("FROM a AS x\nCOPY --from=y / /\nFROM b AS y\nFROM x\n"),
              HasSubstr("it needs to be defined before current stage \"x\""));
  EXPECT_THAT(error_text("FROM a AS build\nFROM b\nCOPY --from=Buidl / /\n"),
              AllOf(StartsWith("Dockerfile:3:6: "), HasSubstr("did you mean build?")));
}

TEST(Stages, DoNotLowerWhatIsNotNeeded) {
  const Lowered lowered = lower_text("FROM a AS x\nRUN never\nFROM scratch\nCOPY f /\n");
  for (std::size_t i = 0; i < lowered.graph.size(); ++i)
    EXPECT_THAT(lowered.graph[i].name, testing::Not(HasSubstr("never")));
}

TEST(Stages, ShareOneVertexForOneImage) {
  const Lowered lowered = lower_text("FROM a AS x\nRUN one\nFROM a\nCOPY --from=x /p /q\n");
  EXPECT_THAT(names_of(lowered), SizeIs(3));
}

TEST(Onbuild, IsStored) {
  const Lowered lowered = lower_text("FROM a\nONBUILD RUN make $X\nONBUILD copy . .\n");
  EXPECT_THAT(lowered.config.config.on_build, ElementsAre("RUN make $X", "copy . ."));
  EXPECT_THAT(lowered.history, IsEmpty());
}

TEST(Onbuild, FiresInFrom) {
  FakeImages images;
  oci::ImageConfig config = FakeImages::plain();
  config.config.on_build = {"COPY . /app", "RUN make", "COPY --from=other /x /y"};
  images.configs["base"] = config;
  const Lowered lowered = lower_text("FROM base\nCMD [\"run\"]\n", test_options(), images);
  EXPECT_THAT(history_of(lowered),
              ElementsAre("COPY . /app # buildkit", "RUN /bin/sh -c make # buildkit",
                          "COPY /x /y # buildkit", "CMD [\"run\"]"));
  EXPECT_THAT(lowered.config.config.on_build, IsEmpty());
  EXPECT_THAT(names_of(lowered), testing::Contains("[3/4] ONBUILD RUN make"));
  EXPECT_THAT(names_of(lowered), testing::Contains(StartsWith("FROM docker.io/library/other")));
}

TEST(Onbuild, FiresInStagesThatBuildOnAStage) {
  const Lowered lowered = lower_text("FROM scratch AS x\nONBUILD ENV A=1\nFROM x\n");
  EXPECT_THAT(history_of(lowered), ElementsAre("ENV A=1"));
}

TEST(Onbuild, MayNeedStagesOfTheBase) {
  const Lowered lowered = lower_text(
      "FROM scratch AS files\nWORKDIR /f\nFROM scratch AS p\nONBUILD COPY --from=files /f /g\n"
      "FROM p AS q\nFROM q\n");
  EXPECT_THAT(names_of(lowered), testing::Contains(HasSubstr("WORKDIR /f")));
}

TEST(Onbuild, ReportsABadTriggerAtFrom) {
  FakeImages images;
  oci::ImageConfig config = FakeImages::plain();
  config.config.on_build = {"RUNN x"};
  images.configs["base"] = config;
  EXPECT_THAT(error_text("FROM base\n", test_options(), images),
              AllOf(StartsWith("Dockerfile:1"), HasSubstr("invalid ONBUILD trigger \"RUNN x\"")));
}

TEST(Stages, AreBasesByTheirLowerCaseNameOnly) {
  EXPECT_EQ(error_text("FROM b AS Base\nFROM base\nCOPY --from=BASE /a /b\n"), "");
  EXPECT_THAT(error_text("FROM b AS base\nFROM Base\n"),
              testing::AllOf(HasSubstr("Dockerfile:2:6: "), HasSubstr("did you mean base?")));
}

TEST(Stages, ThatAreNotNeededStillNeedANameThatAnImageCanHave) {
  EXPECT_THAT(error_text("FROM no//image AS unused\nFROM scratch\n"),
              HasSubstr("Dockerfile:1:6: "));
}

TEST(Onbuild, RefusesTriggersThatAreWrongInEveryImage) {
  EXPECT_THAT(error_text("FROM b\nONBUILD ENV x\n"), HasSubstr("ENV must have two arguments"));
  EXPECT_THAT(error_text("FROM b\nONBUILD RUN [1]\n"), HasSubstr("strings only"));
  EXPECT_EQ(error_text("FROM b\nONBUILD LABEL a=1 b=2\nONBUILD FOO\n"), "");
}

}  // namespace
}  // namespace kiln::dockerfile
