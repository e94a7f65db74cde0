#include "tests/unit/dockerfile/build_support.h"

namespace kiln::dockerfile {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Optional;
using testing::Pair;

TEST(Lower, WritesHistoryAsBuildKitDoes) {
  const Lowered lowered = lower_text(
      "FROM scratch\nARG A B=1\nENV X=$B Y='a b'\nLABEL l=\"v w\"\nMAINTAINER Me\n"
      "EXPOSE 5000 2375 1234/udp\nVOLUME /a /b\nUSER u:g\nSTOPSIGNAL SIGINT\nWORKDIR /\n"
      "SHELL [\"/bin/bash\", \"-c\"]\nCMD [\"python3\", \"manage.py\"]\nENTRYPOINT run it\n"
      "HEALTHCHECK --interval=5s CMD curl x\n");
  EXPECT_THAT(
      history_of(lowered),
      ElementsAre("ARG A B=1", "ENV X=1 Y=a b", "LABEL l=v w", "MAINTAINER Me",
                  "EXPOSE [1234/udp 2375/tcp 5000/tcp]", "VOLUME [/a /b]", "USER u:g",
                  "STOPSIGNAL SIGINT", "WORKDIR /", "SHELL [/bin/bash -c]",
                  "CMD [\"python3\" \"manage.py\"]", "ENTRYPOINT [\"/bin/bash\" \"-c\" \"run it\"]",
                  "HEALTHCHECK {Test:[CMD-SHELL curl x] Interval:5s Timeout:0s StartPeriod:0s "
                  "StartInterval:0s Retries:0}"));
  for (const StepHistory& step : lowered.history) {
    EXPECT_TRUE(step.entry.empty_layer);
    EXPECT_EQ(step.entry.comment, "buildkit.dockerfile.v0");
    EXPECT_FALSE(step.vertex);
  }
}

TEST(Lower, FillsTheConfiguration) {
  const oci::ContainerConfig config =
      lower_text(
          "FROM scratch\nENV X=1\nENV X=2 PATH=/p\nLABEL b=2 a=1\nEXPOSE 80-81 9/udp\n"
          "VOLUME [\"/v\"]\nUSER me\nSTOPSIGNAL 9\nCMD echo hi\n")
          .config.config;
  EXPECT_THAT(config.env, ElementsAre("PATH=/p", "X=2"));
  EXPECT_THAT(config.labels, ElementsAre(Pair("a", "1"), Pair("b", "2")));
  EXPECT_THAT(config.exposed_ports, ElementsAre("80/tcp", "81/tcp", "9/udp"));
  EXPECT_THAT(config.volumes, ElementsAre("/v"));
  EXPECT_EQ(config.user, "me");
  EXPECT_EQ(config.stop_signal, "9");
  EXPECT_EQ(config.working_dir, "/");
  EXPECT_THAT(config.cmd, Optional(ElementsAre("/bin/sh", "-c", "echo hi")));
  EXPECT_TRUE(config.args_escaped);
}

TEST(Lower, GivesScratchAPathAndTheTargetPlatform) {
  LowerOptions options = test_options();
  options.target_platform = {"linux", "arm", "v7", ""};
  const Lowered lowered = lower_text("FROM scratch\n", options);
  EXPECT_THAT(lowered.config.config.env,
              ElementsAre("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
  EXPECT_EQ(lowered.config.platform, options.target_platform);
  EXPECT_FALSE(lowered.base_manifest);
  EXPECT_TRUE(graph::is_scratch(lowered.graph[lowered.target]));
}

TEST(Lower, KeepsTheBaseImagesConfiguration) {
  FakeImages images;
  oci::ImageConfig base = FakeImages::plain();
  base.created = "2024-01-01T00:00:00Z";
  base.author = "them";
  base.config.cmd = {{"old"}};
  base.config.labels = {{"a", "1"}};
  base.config.working_dir = "/srv";
  images.configs["base"] = base;
  LowerOptions options = test_options();
  options.labels = {{"added", "x"}};
  const oci::ImageConfig config = lower_text("FROM base\nENV A=1\n", options, images).config;
  EXPECT_EQ(config.created, "");
  EXPECT_EQ(config.author, "them");
  EXPECT_EQ(config.diff_ids, base.diff_ids);
  EXPECT_EQ(config.history, base.history);
  EXPECT_EQ(config.config.working_dir, "/srv");
  EXPECT_THAT(config.config.labels, ElementsAre(Pair("a", "1"), Pair("added", "x")));
  EXPECT_THAT(config.config.cmd, Optional(ElementsAre("old")));
}

TEST(Lower, KeepsTheBasesPlatformOnlyWhenNoneWasAskedFor) {
  FakeImages images;
  images.configs["base"] = FakeImages::plain();
  images.configs["base"].platform = {"linux", "arm64", "", ""};
  LowerOptions options = test_options();
  const std::string text = "FROM --platform=linux/arm64 base\n";
  EXPECT_EQ(lower_text(text, options, images).config.platform.architecture, "amd64");
  options.implicit_platform = true;
  EXPECT_EQ(lower_text(text, options, images).config.platform.architecture, "arm64");
}

TEST(Lower, LetsEntrypointResetAnInheritedCommand) {
  FakeImages images;
  images.configs["base"] = FakeImages::plain();
  images.configs["base"].config.cmd = {{"old"}};
  EXPECT_EQ(lower_text("FROM base\nENTRYPOINT [\"e\"]\n", test_options(), images).config.config.cmd,
            std::nullopt);
  EXPECT_THAT(lower_text("FROM base\nCMD [\"new\"]\nENTRYPOINT [\"e\"]\n", test_options(), images)
                  .config.config.cmd,
              Optional(ElementsAre("new")));
  EXPECT_EQ(lower_text("FROM base AS x\nCMD [\"c\"]\nFROM x\nENTRYPOINT [\"e\"]\n", test_options(),
                       images)
                .config.config.cmd,
            std::nullopt);
}

TEST(Lower, TellsEmptyCommandsFromUnsetOnes) {
  EXPECT_THAT(lower_text("FROM scratch\nCMD []\n").config.config.cmd, Optional(IsEmpty()));
  EXPECT_EQ(lower_text("FROM scratch\nENTRYPOINT []\n").config.config.entrypoint, std::nullopt);
}

TEST(Lower, UsesOneEnvironmentForAWholeInstruction) {
  EXPECT_THAT(lower_text("FROM scratch\nENV abc=hello\nENV abc=bye def=$abc\nENV ghi=$abc\n")
                  .config.config.env,
              testing::IsSupersetOf({"abc=bye", "def=hello", "ghi=bye"}));
}

TEST(Lower, RefusesBadValues) {
  EXPECT_THAT(error_text("FROM scratch\nSTOPSIGNAL SIGFOO\n"),
              HasSubstr("Dockerfile:2:12: invalid signal: SIGFOO"));
  EXPECT_THAT(error_text("FROM scratch\nEXPOSE 80 99999\n"),
              HasSubstr("Dockerfile:2:11: invalid containerPort: 99999"));
  EXPECT_THAT(error_text("FROM scratch\nVOLUME $x\n"), HasSubstr("VOLUME specified"));
}

TEST(SourceDateEpoch, DatesWhatIsMade) {
  LowerOptions options = test_options();
  const std::string text = "FROM base\nWORKDIR /x\n";
  FakeImages images;
  images.configs["base"] = FakeImages::plain();
  images.configs["base"].created = "1970-01-01T00:01:00.5Z";
  EXPECT_EQ(last_op<graph::FileOp>(lower_text(text, options, images)).made_time, 60);
  options.build_args["SOURCE_DATE_EPOCH"] = "1234";
  const Lowered lowered = lower_text(text, options, images);
  EXPECT_EQ(last_op<graph::FileOp>(lowered).made_time, 1234);
  EXPECT_EQ(lowered.source_date_epoch, 1234);
  options.build_args["SOURCE_DATE_EPOCH"] = "yesterday";
  EXPECT_THAT(error_text(text, options, images), HasSubstr("invalid SOURCE_DATE_EPOCH"));
  EXPECT_EQ(last_op<graph::FileOp>(lower_text("FROM scratch\nWORKDIR /x\n")).made_time, 0);
  EXPECT_EQ(lower_text("ARG SOURCE_DATE_EPOCH=7\nFROM scratch\n").source_date_epoch, 7);
}

TEST(Config, TakesOddBasesAsBuildKitDoes) {
  FakeImages images;
  images.configs["b"] = FakeImages::plain();
  images.configs["b"].config.env = {"PATH", "FLAG", "A=1"};
  images.configs["b"].config.working_dir = "app";
  images.configs["b"].platform = {"linux", "arm64", "v8", ""};
  LowerOptions options = test_options();
  options.implicit_platform = true;
  const Lowered lowered = lower_text("FROM b\nENV FLAG=x\nWORKDIR $A\n", options, images);
  EXPECT_THAT(lowered.config.config.env, ElementsAre("PATH", "FLAG=x", "A=1"));
  EXPECT_EQ(lowered.config.config.working_dir, "/app/app/1");
  EXPECT_EQ(lowered.config.platform.str(), "linux/arm64");
}

TEST(Config, StaysInItsDirectoryWhenTheNewOneIsEmpty) {
  const Lowered lowered = lower_text("FROM scratch\nARG E\nWORKDIR /a/\nWORKDIR $E\n");
  EXPECT_EQ(lowered.config.config.working_dir, "/a/");
}

TEST(Config, ShowsArgumentsInTheHistoryOfRun) {
  const Lowered lowered =
      lower_text("FROM b\nARG A=1 B\nARG BUILDKIT_SBOM_SCAN_STAGE=true\nARG A=2\nRUN x\n");
  EXPECT_EQ(history_of(lowered).back(),
            "RUN |3 A=2 B= BUILDKIT_SBOM_SCAN_STAGE=true /bin/sh -c x # buildkit");
}

}  // namespace
}  // namespace kiln::dockerfile
