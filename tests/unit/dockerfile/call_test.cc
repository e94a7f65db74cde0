#include <nlohmann/json.hpp>

#include "builder/dockerfile/call_result.h"
#include "tests/unit/dockerfile/build_support.h"

namespace kiln::dockerfile {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::string> arguments_of(const Outline& outline) {
  std::vector<std::string> result;
  for (const Outline::Argument& argument : outline.arguments) {
    std::string text =
        fmt::format("{} {}={}", argument.range.first_line, argument.name, argument.value);
    if (!argument.description.empty()) text += " (" + argument.description + ")";
    result.push_back(std::move(text));
  }
  return result;
}

TEST(Outline, HasTheArgumentsThatTheTargetUses) {
  LowerOptions options = test_options();
  options.target = "target";
  options.build_args["BAR"] = "678";
  const Lowered lowered = lower_text(
      "\nARG inherited=box\nARG inherited2=box2\nARG unused=abc${inherited2}\n"
      "# sfx is a suffix\nARG sfx=\"usy${inherited}\"\n\n"
      "FROM b${sfx} AS first\n# this is not assigned to anything\nARG FOO=123\n"
      "# BAR is a number\nARG BAR=456\nRUN true\n\n"
      "FROM alpine${unused} AS second\nARG BAZ\nRUN true\n\n"
      "FROM scratch AS third\nARG ABC=a\n\n"
      "# target defines build target\nFROM third AS target\nCOPY --from=first /etc/passwd /\n\n"
      "FROM second\n",
      options);
  EXPECT_EQ(lowered.outline.name, "target");
  EXPECT_EQ(lowered.outline.description, "defines build target");
  EXPECT_THAT(arguments_of(lowered.outline),
              ElementsAre("2 inherited=box", "6 sfx=usybox (is a suffix)", "10 FOO=123",
                          "12 BAR=678 (is a number)", "20 ABC=a"));
}

TEST(Outline, FollowsArgumentsThatAreDefinedByEachOther) {
  const Lowered lowered = lower_text(
      "\nARG FOO=123\nARG ABC=abc\nARG DEF=def\nARG FOO=${FOO}${ABC}\nARG BAR=${FOO}456\n"
      "ARG FOO=${FOO}456${BAR}\nFROM scratch\nARG FOO\nARG INFOO=123\nARG INBAR=${INFOO}456\n"
      "ARG INFOO=${INFOO}456${INBAR}\n");
  EXPECT_THAT(arguments_of(lowered.outline),
              ElementsAre("3 ABC=abc", "6 BAR=123abc456", "7 FOO=123abc456123abc456",
                          "11 INBAR=123456", "12 INFOO=123456123456"));
}

TEST(Outline, LeavesOutWhatIsPredefined) {
  EXPECT_THAT(arguments_of(lower_text("FROM scratch\nARG TARGETARCH\nARG V\n").outline),
              ElementsAre("3 V="));
}

TEST(Outline, HasSecretsAgentsAndCachesOnce) {
  graph::Graph graph;
  graph::CacheMount cache;
  cache.id = "pip";
  graph::ExecOp op;
  op.mounts = {graph::SecretMount{"token", "/run/secrets/token", "", false, 0400, 0, 0},
               graph::SecretMount{"token", "/t", "", true, 0400, 0, 0}, graph::SshMount{}, cache};
  const graph::VertexId scratch = graph.add({graph::FileOp{}, {}, {}, "", {}, false});
  const graph::VertexId run = graph.add({op, {scratch}, {}, "", {3, 4}, false});
  Outline outline;
  complete_outline(outline, graph, run);
  ASSERT_THAT(outline.secrets, SizeIs(1));
  EXPECT_EQ(outline.secrets[0].name, "token");
  EXPECT_TRUE(outline.secrets[0].required);
  EXPECT_EQ(outline.secrets[0].range.first_line, 3);
  ASSERT_THAT(outline.ssh, SizeIs(1));
  EXPECT_EQ(outline.ssh[0].name, "default");
  ASSERT_THAT(outline.caches, SizeIs(1));
  EXPECT_EQ(outline.caches[0].name, "pip");
  EXPECT_EQ(text_of(outline),
            "SECRET   REQUIRED\ntoken    true\n\nSSH       REQUIRED\ndefault\n\nCACHE\npip\n\n");
}

TEST(Outline, IsWrittenAsBuildKitsJson) {
  const std::string text = "# V is a number\nARG V=1\n# x does it\nFROM scratch AS x\nARG V\n";
  const Document document = Document::parse("Dockerfile", text);
  const CallResult result = outline_result(document, lower_text(text).outline);
  EXPECT_EQ(json::parse(result.json), json::parse(R"({
    "name": "x", "description": "does it",
    "args": [{"name": "V", "description": "is a number", "value": "1",
              "location": {"ranges": [{"start": {"line": 2}, "end": {"line": 2}}]}}],
    "sources": ["IyBWIGlzIGEgbnVtYmVyCkFSRyBWPTEKIyB4IGRvZXMgaXQKRlJPTSBzY3JhdGNoIEFTIHgKQVJHIFYK"]
  })"));
  EXPECT_EQ(result.text,
            "TARGET:      x\nDESCRIPTION: does it\n\n"
            "BUILD ARG   VALUE   DESCRIPTION\nV           1       is a number\n\n");
  EXPECT_EQ(result.status, 0);
}

TEST(Targets, AreTheStages) {
  const Document document = Document::parse(
      "Dockerfile",
      "# build defines stage for compiling the binary\n# it is long\n"
      "FROM --platform=$BUILDPLATFORM alpine AS build\nRUN true\n\nFROM busybox as second\n\n"
      "FROM alpine\nRUN false\n\n# binary returns the compiled binary\nFROM second AS binary\n");
  const CallResult result = targets_result(document);
  const json targets = json::parse(result.json).at("targets");
  ASSERT_THAT(targets, SizeIs(4));
  EXPECT_EQ(targets[0].at("name"), "build");
  EXPECT_EQ(targets[0].at("description"), "defines stage for compiling the binary");
  EXPECT_EQ(targets[0].at("base"), "alpine");
  EXPECT_EQ(targets[0].at("platform"), "$BUILDPLATFORM");
  EXPECT_FALSE(targets[0].contains("default"));
  EXPECT_FALSE(targets[2].contains("name"));
  EXPECT_EQ(targets[3].at("base"), "second");
  EXPECT_EQ(targets[3].at("default"), true);
  EXPECT_EQ(targets[3].at("location").at("ranges")[0].at("start").at("line"), 12);
  EXPECT_EQ(result.text,
            "TARGET             DESCRIPTION\n"
            "build              defines stage for compiling the binary\n"
            "second\n"
            "binary (default)   returns the compiled binary\n");
}

TEST(Check, ShowsWarningsAsBuildxDoes) {
  const std::string text = "FROM scratch\nLABEL a=1\nCMD x\nLABEL b=2\n";
  const Document document = Document::parse("Dockerfile", text);
  const CallResult result = check_result(document, {lower_text(text).warnings, {}});
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.text,
            "Check complete, 1 warning has been found!\n\n"
            "WARNING: JSONArgsRecommended - "
            "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/\n"
            "JSON arguments recommended for CMD to prevent unintended behavior related to OS "
            "signals\n"
            "Dockerfile:3\n--------------------\n"
            "   1 |     FROM scratch\n   2 |     LABEL a=1\n   3 | >>> CMD x\n"
            "   4 |     LABEL b=2\n--------------------\n");
  const json warning = json::parse(result.json).at("warnings")[0];
  EXPECT_EQ(warning.at("ruleName"), "JSONArgsRecommended");
  EXPECT_THAT(warning.at("detail").get<std::string>(), HasSubstr("JSON arguments"));
  EXPECT_EQ(warning.at("location").at("ranges")[0].at("start").at("line"), 3);
}

TEST(Check, IsCleanWithoutWarnings) {
  const Document document = Document::parse("Dockerfile", "FROM scratch\n");
  const CallResult result = check_result(document, {});
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.text, "Check complete, no warnings found.\n");
  EXPECT_THAT(json::parse(result.json).at("warnings"), IsEmpty());
}

TEST(Check, TellsMistakesBesideWarnings) {
  const Reading reading = Document::read("Dockerfile", "FROM a AS B\nRUNN x\n");
  const DockerfileError error = mistakes_error(reading.document, test_options(), reading.mistakes);
  const CallResult result = check_result(reading.document, {error.warnings(), error.diagnostics()});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.text, HasSubstr("ERROR: Dockerfile:2:1: unknown instruction \"RUNN\"; did "
                                     "you mean RUN?\n"));
  EXPECT_EQ(json::parse(result.json).at("buildError").at("message"),
            "unknown instruction \"RUNN\"");
  EXPECT_THAT(json::parse(result.json).at("warnings"), SizeIs(1));
}

}  // namespace
}  // namespace kiln::dockerfile
