// Which rules speak up, Dockerfile by Dockerfile.
#include "builder/dockerfile/rules.h"
#include "tests/unit/dockerfile/build_support.h"

namespace kiln::dockerfile {
namespace {

/// "line Rule" for each warning, in the order of the file.
std::vector<std::string> found_in(std::string text, const LowerOptions& options) {
  std::vector<std::string> found;
  for (const Diagnostic& warning : lower_text(std::move(text), options).warnings)
    found.push_back(fmt::format("{} {}", warning.range.first_line, warning.rule));
  return found;
}

struct Case {
  std::string_view name;
  std::string_view text;
  std::vector<std::string> warnings;
  std::map<std::string, std::string> build_args = {};
};

const std::vector<Case>& cases() {
  static const std::vector<Case> kCases = {
      {"lower case throughout", "from scratch\ncopy a /a\ncopy b /b\n", {}},
      {"majority lower", "from scratch\nCOPY a /a\ncopy b /b\n", {"2 ConsistentInstructionCasing"}},
      {"majority upper",
       "from scratch\nCOPY a /a\nCOPY b /b\nCOPY c /c\n",
       {"1 ConsistentInstructionCasing"}},
      {"mixed FROM",
       "frOM scratch as base\nfrom scratch as base2\n",
       {"1 ConsistentInstructionCasing"}},
      {"AS with from", "from scratch AS base\nfrom scratch as base2\n", {"1 FromAsCasing"}},
      {"a here-document is no instruction", "FROM alpine\nRUN <<'EOT'\nenv\nEOT\n", {}},
      {"reserved names are bases", "FROM scratch\nFROM scratch AS a\n", {}},
      {"SHELL makes shell form deliberate", "FROM scratch\nSHELL [\"/sh\"]\nCMD x\n", {}},
      {"SHELL of the base stage",
       "FROM scratch AS base\nSHELL [\"/sh\"]\nFROM base\nENTRYPOINT x\n",
       {}},
      {"declared global", "ARG base=scratch\nFROM $base\nCOPY a .\n", {}},
      {"predefined global", "FROM --platform=$BUILDPLATFORM scratch\n", {}},
      {"global without value", "ARG DEBUG\nFROM scratch${DEBUG}\n", {}},
      {"default for it", "ARG DEBUG\nFROM scra${DEBUG:-tch}\n", {}},
      {"empty is set", "ARG DEBUG=\"\"\nFROM scratch${DEBUG-@bogus}\n", {}},
      {"undeclared in the tag",
       "ARG tag=latest\nFROM busybox:${tag}${version} AS b\n",
       {"2 UndefinedArgInFrom"}},
      {"relative below absolute of the base stage",
       "FROM scratch AS a\nWORKDIR /app\nFROM a AS b\nWORKDIR sub/\n",
       {}},
      {"argument without value", "FROM scratch\nARG foo\nCOPY Dockerfile${foo} .\n", {}},
      {"argument of the base stage", "FROM b AS base\nARG foo=x\nFROM base\nCOPY $foo .\n", {}},
      {"RUN is the shell's", "FROM b\nRUN echo $PATH $undefined\n", {}},
      {"used before its ARG", "FROM b\nCOPY $foo .\nARG foo=bar\n", {"2 UndefinedVar"}},
      {"misspelt PATH", "FROM b\nENV PATH=$PAHT:/tmp/bin\n", {"2 UndefinedVar"}},
      {"two of each",
       "FROM scratch\nENTRYPOINT [\"a\"]\nENTRYPOINT [\"b\"]\nCMD [\"a\"]\nCMD [\"b\"]\n"
       "HEALTHCHECK CMD [\"a\"]\nHEALTHCHECK CMD [\"b\"]\n",
       {"2 MultipleInstructionsDisallowed", "4 MultipleInstructionsDisallowed",
        "6 MultipleInstructionsDisallowed"}},
      {"two of each, apart",
       "FROM scratch\nCMD [\"a\"]\nCOPY <<EOF /a\nhello\nEOF\nCMD [\"b\"]\n",
       {"2 MultipleInstructionsDisallowed"}},
      {"one in each stage", "FROM scratch AS a\nCMD [\"a\"]\nFROM a\nCMD [\"b\"]\n", {}},
      {"legacy pairs",
       "FROM scratch\nENV testkey value\nLABEL key value\n",
       {"2 LegacyKeyValueFormat", "3 LegacyKeyValueFormat"}},
      {"a stage that is not built",
       "FROM scratch AS a\nFROM a AS b\nENV testkey value\nFROM a AS c\n",
       {}},
      {"names of secrets",
       "FROM scratch\nARG SECRET_PASSPHRASE\nENV SUPER_Secret=foo\nENV password=bar secret=baz\n"
       "ARG super_duper_secret_token=foo auth=bar\nENV apikey=bar sunflower=foo\nENV git_key=\n"
       "ENV PUBLIC_KEY=\nARG public_token\n",
       {"2 SecretsUsedInArgOrEnv", "3 SecretsUsedInArgOrEnv", "4 SecretsUsedInArgOrEnv",
        "4 SecretsUsedInArgOrEnv", "5 SecretsUsedInArgOrEnv", "5 SecretsUsedInArgOrEnv",
        "6 SecretsUsedInArgOrEnv", "7 SecretsUsedInArgOrEnv"}},
      {"braces around TARGETPLATFORM",
       "FROM --platform=${TARGETPLATFORM} scratch\n",
       {"1 RedundantTargetPlatform"}},
      {"constant platform",
       "FROM --platform=linux/amd64 scratch\n",
       {"1 FromPlatformFlagConstDisallowed"}},
      {"a stage named after its architecture",
       "FROM --platform=linux/amd64 scratch AS my_amd64_stage\n",
       {}},
      {"a stage named after its system", "FROM --platform=linux/amd64 scratch AS linux\n", {}},
      {"no default for the tag",
       "ARG VERSION\nFROM busybox:$VERSION\n",
       {"2 InvalidDefaultArgInFrom"},
       {{"VERSION", "latest"}}},
      {"half a name by default",
       "ARG SFX=\"box:\"\nFROM busy${SFX}\n",
       {"2 InvalidDefaultArgInFrom"},
       {{"SFX", "box:latest"}}},
      {"a suffix may be empty",
       "ARG VARIANT\nFROM busybox:stable${VARIANT}\n",
       {},
       {{"VARIANT", "-musl"}}},
      {"skipped by the build argument",
       "# check=error=true\nFROM scratch as base\ncopy a .\n",
       {},
       {{"BUILDKIT_DOCKERFILE_CHECK", "skip=all"}}},
      {"skipped but one",
       "#check=skip=all\nFROM scratch as base\ncopy a .\n",
       {"2 FromAsCasing"},
       {{"BUILDKIT_DOCKERFILE_CHECK", "skip=ConsistentInstructionCasing"}}},
  };
  return kCases;
}

TEST(LintCases, FindWhatBuildKitFinds) {
  for (const Case& c : cases()) {
    LowerOptions options = test_options();
    options.build_args = c.build_args;
    EXPECT_EQ(found_in(std::string(c.text), options), c.warnings) << c.name;
  }
}

TEST(Rules, AreTwentyTwoAndExplained) {
  EXPECT_EQ(rules().size(), 22U);
  ASSERT_NE(find_rule("JSONArgsRecommended"), nullptr);
  EXPECT_EQ(find_rule("JSONArgsRecommended")->url(),
            "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/");
  EXPECT_EQ(find_rule("Nonsense"), nullptr);
  int experimental = 0;
  for (const Rule& rule : rules())
    experimental += rule.experimental ? 1 : 0;
  EXPECT_EQ(experimental, 1);
}

}  // namespace
}  // namespace kiln::dockerfile
