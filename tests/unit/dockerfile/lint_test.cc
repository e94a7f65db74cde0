#include "tests/unit/dockerfile/build_support.h"

namespace kiln::dockerfile {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

struct Case {
  std::string_view rule;
  std::string_view text;
  std::string_view message;
  int line;
};

TEST(Lint, WarnsAsBuildKitDoes) {
  const Case cases[] = {
      {"StageNameCasing", "FROM b AS Big\n", "Stage name 'Big' should be lowercase", 1},
      {"FromAsCasing", "FROM b as x\n", "'as' and 'FROM' keywords' casing do not match", 1},
      {"NoEmptyContinuation", "FROM b\nENV A=1 \\\n\n B=2\n", "Empty continuation line", 3},
      {"ConsistentInstructionCasing", "FROM b\nENV A=1\nenv B=2\n",
       "Command 'env' should match the case of the command majority (uppercase)", 3},
      {"DuplicateStageName", "FROM b AS x\nFROM b AS x\n",
       "Duplicate stage name \"x\", stage names should be unique", 2},
      {"ReservedStageName", "FROM b AS context\n",
       "Stage name should not use the same name as reserved stage \"context\"", 1},
      {"JSONArgsRecommended", "FROM b\nCMD x\n",
       "JSON arguments recommended for CMD to prevent unintended behavior related to OS signals",
       2},
      {"MaintainerDeprecated", "FROM b\nMAINTAINER me\n",
       "Maintainer instruction is deprecated in favor of using label", 2},
      {"UndefinedArgInFrom", "ARG TAG=1\nFROM b:${TGA:-1}\n",
       "FROM argument 'TGA' is not declared (did you mean TAG?)", 2},
      {"WorkdirRelativePath", "FROM b\nWORKDIR x\n",
       "Relative workdir \"x\" can have unexpected results if the base image changes", 2},
      {"UndefinedVar", "FROM b\nENV NAME=1\nLABEL l=$NAMED\n",
       "Usage of undefined variable '$NAMED' (did you mean $NAME?)", 3},
      {"MultipleInstructionsDisallowed", "FROM b\nCMD [\"a\"]\nCMD [\"b\"]\n",
       "Multiple CMD instructions should not be used in the same stage because only the last one "
       "will be used",
       2},
      {"LegacyKeyValueFormat", "FROM b\nENV A b\n",
       "\"ENV key=value\" should be used instead of legacy \"ENV key value\" format", 2},
      {"RedundantTargetPlatform", "FROM --platform=$TARGETPLATFORM b\n",
       "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default "
       "behavior",
       1},
      {"SecretsUsedInArgOrEnv", "FROM b\nARG GITHUB_TOKEN\n",
       "Do not use ARG or ENV instructions for sensitive data (ARG \"GITHUB_TOKEN\")", 2},
      {"FromPlatformFlagConstDisallowed", "FROM --platform=linux/amd64 b\n",
       "FROM --platform flag should not use constant value \"linux/amd64\"", 1},
      {"ExposeProtoCasing", "FROM b\nEXPOSE 80/TCP\n",
       "Defined protocol '80/TCP' in EXPOSE instruction should be lowercase", 2},
      {"ExposeInvalidFormat", "FROM b\nEXPOSE 127.0.0.1:80:80\n",
       "EXPOSE instruction should not define an IP address or host-port mapping, found "
       "'127.0.0.1:80:80'",
       2},
  };
  for (const Case& c : cases) {
    const Lowered lowered = lower_text(std::string(c.text));
    ASSERT_THAT(rules_of(lowered), ElementsAre(c.rule)) << c.text;
    EXPECT_EQ(lowered.warnings[0].message, c.message);
    EXPECT_EQ(lowered.warnings[0].range.first_line, c.line) << c.text;
  }
}

TEST(Lint, WarnsAboutBasesThatNeedArguments) {
  LowerOptions options = test_options();
  options.build_args["TAG"] = "1";
  EXPECT_THAT(rules_of(lower_text("ARG TAG\nFROM b:$TAG\n", options)),
              ElementsAre("InvalidDefaultArgInFrom"));
}

TEST(Lint, WarnsAboutTheWrongPlatform) {
  FakeImages images;
  images.configs["b"] = FakeImages::plain();
  images.configs["b"].platform.architecture = "arm64";
  const Lowered lowered = lower_text("FROM b\n", test_options(), images);
  ASSERT_THAT(lowered.warnings, SizeIs(1));
  EXPECT_EQ(lowered.warnings[0].message,
            "Base image b was pulled with platform \"linux/arm64\", expected \"linux/amd64\" for "
            "current build");
}

TEST(Lint, WarnsAboutIgnoredFiles) {
  LowerOptions options = test_options();
  options.context_ignore = {"secret"};
  const std::string text = "FROM b\nCOPY secret/x /\n";
  EXPECT_THAT(rules_of(lower_text(text, options)), ElementsAre("CopyIgnoredFile"));
  options.context_ignore = {"secret", "!secret/x"};
  EXPECT_THAT(rules_of(lower_text(text, options)), IsEmpty());
  options.context_ignore = {"secret", "!other", "!*.c"};
  EXPECT_THAT(rules_of(lower_text("FROM b\nCOPY secret /\n", options)), IsEmpty());
  options.context_ignore = {"secret", "!other/*.c"};
  EXPECT_THAT(rules_of(lower_text("FROM b\nADD secret other /d/\n", options)),
              ElementsAre("CopyIgnoredFile"));
  options.context_ignore = {"*", "!*/keep"};
  EXPECT_THAT(rules_of(lower_text("FROM b\nCOPY . /\n", options)), IsEmpty());
  options.context_ignore = {"**"};
  EXPECT_THAT(rules_of(lower_text("FROM b\nCOPY . /\n", options)), ElementsAre("CopyIgnoredFile"));
}

TEST(Lint, IsSilentAboutGoodDockerfiles) {
  EXPECT_THAT(rules_of(lower_text(
                  "# syntax=docker/dockerfile:1\nARG V=1\nFROM b:$V AS x\nARG V\n"
                  "ENV A=$V PUBLIC_KEY=1\nWORKDIR /a\nRUN echo $whatever\nCOPY a b\n"
                  "EXPOSE 80\nCMD [\"x\"]\nFROM x AS y\nWORKDIR rel\nENTRYPOINT [\"e\"]\n")),
              IsEmpty());
}

TEST(Lint, CanBeSilenced) {
  EXPECT_THAT(rules_of(lower_text("# check=skip=JSONArgsRecommended\nFROM b\nCMD x\n")), IsEmpty());
  EXPECT_THAT(rules_of(lower_text("# check=skip=all\nFROM b as X\nCMD x\n")), IsEmpty());
  EXPECT_THAT(rules_of(lower_text("FROM b\n# check=skip=JSONArgsRecommended\nCMD x\n")), IsEmpty());
  LowerOptions options = test_options();
  options.build_args["BUILDKIT_DOCKERFILE_CHECK"] = "skip=all";
  EXPECT_THAT(rules_of(lower_text("FROM b\nCMD x\n", options)), IsEmpty());
}

TEST(Lint, CanFailTheBuild) {
  EXPECT_THAT(error_text("# check=error=true\nFROM b\nCMD x\n"),
              HasSubstr("Dockerfile:3: lint violation found for rules: JSONArgsRecommended"));
  EXPECT_EQ(error_text("# check=error=1;skip=JSONArgsRecommended\nFROM b\nCMD x\n"), "");
  EXPECT_EQ(error_text("# check=error=F\nFROM b\nCMD x\n"), "");
  EXPECT_THAT(error_text("# check=nonsense\nFROM b\n"),
              HasSubstr("Dockerfile:1: invalid check option \"nonsense\""));
}

TEST(Lint, HasExperimentalRules) {
  const std::string text = "# other text\nFROM b AS x\n";
  EXPECT_THAT(rules_of(lower_text(text)), IsEmpty());
  EXPECT_THAT(rules_of(lower_text("# check=experimental=all\n" + text)),
              ElementsAre("InvalidDefinitionDescription"));
  EXPECT_THAT(
      rules_of(lower_text("# check=skip=all;experimental=InvalidDefinitionDescription\n" + text)),
      ElementsAre("InvalidDefinitionDescription"));
}

TEST(Lint, WantsDescriptionsToNameWhatTheyDescribe) {
  const std::string head = "# check=experimental=InvalidDefinitionDescription\n";
  EXPECT_THAT(rules_of(lower_text(head + "# foo this is the foo\nARG foo=bar\n\n"
                                         "# base this is the base image\nFROM scratch AS base\n\n"
                                         "# version this is the version\nARG version=latest\n\n"
                                         "# baz this is the baz\nARG foo=baz bar=qux baz=quux\n#\n"
                                         "ARG bit=bat\n\n# about something else\nCOPY a .\n")),
              IsEmpty());
  const Lowered lowered = lower_text(head +
                                     "# bar is\nARG foo=bar\n# BasE is\nFROM scratch AS base\n"
                                     "# bad\nARG foo=baz bar=qux\n");
  std::vector<std::string> messages;
  for (const Diagnostic& warning : lowered.warnings)
    messages.push_back(warning.message);
  EXPECT_THAT(messages,
              ElementsAre("Comment for ARG should follow the format: `# foo <description>`",
                          "Comment for FROM should follow the format: `# base <description>`",
                          "Comment for ARG should follow the format: `# <arg_key> <description>`"));
}

TEST(Lint, TellsWhatItFoundBeforeAMistake) {
  const Reading reading = Document::read(
      "Dockerfile", "FROM scratch AS BadStageName\nMAINTAINER me@example.org\nBADCMD\n");
  ASSERT_THAT(reading.mistakes, SizeIs(1));
  const DockerfileError error = mistakes_error(reading.document, test_options(), reading.mistakes);
  std::vector<std::string> rules;
  for (const Diagnostic& warning : error.warnings())
    rules.push_back(warning.rule);
  EXPECT_THAT(rules, ElementsAre("StageNameCasing", "MaintainerDeprecated"));
  try {
    (void)lower_text("FROM --platform=$BULIDPLATFORM scratch\n");
    FAIL();
  } catch (const DockerfileError& empty_platform) {
    ASSERT_THAT(empty_platform.warnings(), SizeIs(1));
    EXPECT_EQ(empty_platform.warnings()[0].message,
              "FROM argument 'BULIDPLATFORM' is not declared (did you mean BUILDPLATFORM?)");
  }
}

TEST(Lint, LooksAtEveryStageOnlyWhenAllAreChecked) {
  const std::string text = "FROM scratch AS a\nCOPY $foo .\nFROM scratch AS b\nCOPY $bar .\n";
  EXPECT_THAT(rules_of(lower_text(text)), SizeIs(1));
  LowerOptions options = test_options();
  options.all_stages = true;
  EXPECT_THAT(rules_of(lower_text(text, options)), SizeIs(2));
}

TEST(Lint, CountsATriggerAsItsFrom) {
  FakeImages images;
  images.configs["b"] = FakeImages::plain();
  images.configs["b"].config.on_build = {"CMD [\"x\"]"};
  const Lowered lowered = lower_text("# 1\n\nFROM b\nCMD [\"y\"]\n", test_options(), images);
  ASSERT_THAT(rules_of(lowered), ElementsAre("MultipleInstructionsDisallowed"));
  EXPECT_EQ(lowered.warnings[0].range.first_line, 3);
}

TEST(Lint, ShowsItsPlace) {
  const Document document = Document::parse("Dockerfile", "FROM scratch\nENV A=$B\n");
  const Lowered lowered = lower(document, test_options(), {});
  ASSERT_THAT(lowered.warnings, SizeIs(1));
  EXPECT_EQ(render(document, lowered.warnings[0]),
            "Dockerfile:2:7: UndefinedVar: Usage of undefined variable '$B'\n"
            "    1 | FROM scratch\n"
            ">>> 2 | ENV A=$B\n"
            "      |       ^");
}

}  // namespace
}  // namespace kiln::dockerfile
