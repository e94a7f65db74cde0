#include "cli/commands/build_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/errors.h"

namespace kiln::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

std::optional<std::string> no_environment(const std::string& /*name*/) {
  return std::nullopt;
}

BuildFlags parse(std::vector<std::string> args) {
  Invocation invocation{"build", "", std::move(args)};
  BuildFlags flags;
  CommandLine line(invocation, {"Build", ""});
  declare(line, flags);
  EXPECT_TRUE(line.parse());
  return flags;
}

BuildRequest request(std::vector<std::string> args,
                     const Environment& environment = no_environment) {
  return to_request(parse(std::move(args)), environment);
}

/// The message of the UsageError that these arguments give.
std::string misuse(std::vector<std::string> args) {
  try {
    static_cast<void>(request(std::move(args)));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(BuildFlags, EveryFlagReachesTheRequest) {
  const BuildRequest asked = request({"-t",
                                      "app:1",
                                      "--tag=ghcr.io/me/app",
                                      "--target",
                                      "test",
                                      "--build-arg",
                                      "A=1=2",
                                      "--label",
                                      "l=v",
                                      "--label",
                                      "empty",
                                      "--platform",
                                      "linux/amd64,arm64",
                                      "--push",
                                      "--pull",
                                      "--no-cache",
                                      "--network",
                                      "none",
                                      "--add-host",
                                      "db:10.0.0.1",
                                      "--add-host=six=::1",
                                      "--ulimit",
                                      "nofile=1:2",
                                      "--shm-size",
                                      "64m",
                                      "--allow",
                                      "network.host",
                                      "-o",
                                      "type=image",
                                      "."});
  EXPECT_THAT(asked.tags, ElementsAre("app:1", "ghcr.io/me/app"));
  EXPECT_EQ(asked.context_name, ".");
  EXPECT_EQ(asked.target, "test");
  EXPECT_THAT(asked.build_args, ElementsAre(Pair("A", "1=2")));
  EXPECT_THAT(asked.labels, ElementsAre(Pair("empty", ""), Pair("l", "v")));
  EXPECT_THAT(asked.platforms, ElementsAre("linux/amd64", "linux/arm64"));
  EXPECT_TRUE(asked.push);
  EXPECT_TRUE(asked.pull);
  EXPECT_TRUE(asked.no_cache);
  EXPECT_EQ(asked.network, "none");
  EXPECT_THAT(asked.add_hosts, ElementsAre("db:10.0.0.1", "six:::1"));
  EXPECT_THAT(asked.ulimits, ElementsAre("nofile=1:2"));
  EXPECT_EQ(asked.shm_size_bytes, 64 << 20);
  EXPECT_THAT(asked.allow, ElementsAre("network.host"));
  ASSERT_EQ(asked.outputs.size(), 1U);
  EXPECT_EQ(asked.outputs[0].type, "image");
  EXPECT_THAT(asked.outputs[0].attributes, IsEmpty());
}

TEST(BuildFlags, AContextAloneAsksForNothingElse) {
  const BuildRequest asked = request({"dir"});
  EXPECT_EQ(to_json(asked), R"({"context_name":"dir"})");
}

TEST(BuildFlags, ListsTakeOneValueEach) {
  const BuildFlags flags = parse({"-t", "a", "dir"});
  EXPECT_THAT(flags.tags, ElementsAre("a"));
  EXPECT_EQ(flags.context, "dir");
}

TEST(BuildFlags, NoCacheMayNameStagesAndDoesNotTakeTheContext) {
  EXPECT_TRUE(request({"--no-cache", "."}).no_cache);
  EXPECT_FALSE(request({"--no-cache=false", "."}).no_cache);
  const BuildRequest stages = request({"--no-cache=a,b", "--no-cache=c", "."});
  EXPECT_FALSE(stages.no_cache);
  EXPECT_THAT(stages.no_cache_stages, ElementsAre("a", "b", "c"));
}

TEST(BuildFlags, AreReadAsDockerReadsThem) {
  EXPECT_EQ(parse({"-f", "a", "-f", "b", "."}).file, "b") << "the last of single values";
  EXPECT_EQ(parse({"-f=a", "."}).file, "a");
  EXPECT_EQ(parse({"-fa", "."}).file, "a");
  EXPECT_EQ(parse({"-f", "-", "."}).file, "-");
  EXPECT_FALSE(parse({"--push=false", "."}).push);
  EXPECT_TRUE(parse({"-qt", "x", "."}).quiet);
  EXPECT_EQ(parse({".", "-t", "x"}).context, ".") << "flags may stand behind the context";
  const BuildFlags empty = parse({"--target=", "."});
  EXPECT_EQ(empty.target, "");
  EXPECT_EQ(empty.context, ".") << "an empty value is a value";
  EXPECT_THAT(parse({"--build-arg", "L=[a,b]", "."}).build_args, ElementsAre("L=[a,b]"));
  EXPECT_EQ(parse({"--", "-dir"}).context, "-dir");
  EXPECT_EQ(parse({"images"}).context, "images") << "not a command";
}

TEST(BuildFlags, AcceptDockersFlagsThatChangeNothing) {
  EXPECT_EQ(parse({"--rm", "--force-rm=true", "--load", "."}).context, ".");
}

TEST(BuildFlags, ABuildArgWithoutValueTakesTheEnvironments) {
  const auto environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "SET") return "x";
    return std::nullopt;
  };
  EXPECT_THAT(request({"--build-arg", "SET", "--build-arg", "UNSET", "--build-arg", "EMPTY=", "."},
                      environment)
                  .build_args,
              ElementsAre(Pair("EMPTY", ""), Pair("SET", "x")));
}

TEST(BuildFlags, SourceDateEpochComesFromTheEnvironmentUnlessGiven) {
  const auto environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "SOURCE_DATE_EPOCH") return "1";
    return std::nullopt;
  };
  EXPECT_THAT(request({"."}, environment).build_args, ElementsAre(Pair("SOURCE_DATE_EPOCH", "1")));
  EXPECT_THAT(request({"--build-arg", "SOURCE_DATE_EPOCH=2", "."}, environment).build_args,
              ElementsAre(Pair("SOURCE_DATE_EPOCH", "2")));
  EXPECT_THAT(request({"."}).build_args, IsEmpty());
}

TEST(BuildFlags, MistakesNameTheFlagAndTheValue) {
  EXPECT_EQ(misuse({"."}), "accepted");
  EXPECT_THAT(misuse({}), HasSubstr("CONTEXT is required"));
  EXPECT_EQ(misuse({"--sbom=x", "."}), "unknown flag --sbom; see 'kiln build --help'");
  EXPECT_THAT(misuse({"a", "b"}), HasSubstr("too many arguments: \"b\""));
  EXPECT_THAT(misuse({"-t", "UPPER", "."}), HasSubstr("--tag \"UPPER\": "));
  EXPECT_THAT(misuse({"--platform", "a/b/c/d", "."}), HasSubstr("--platform \"a/b/c/d\": "));
  EXPECT_EQ(misuse({"--network", "bridge", "."}),
            "--network \"bridge\": not one of default, host, none");
  EXPECT_THAT(misuse({"--shm-size", "lots", "."}), HasSubstr("--shm-size \"lots\""));
  EXPECT_THAT(misuse({"--add-host", "db", "."}), HasSubstr("--add-host \"db\""));
  EXPECT_THAT(misuse({"--build-arg", "=x", "."}), HasSubstr("--build-arg \"=x\""));
  EXPECT_THAT(misuse({"--push=perhaps", "."}), HasSubstr("--push"));
  EXPECT_THAT(misuse({"-o", "-", "-o", "type=oci", "."}), HasSubstr("only one can go to stdout"));
}

TEST(ParseOutput, ReadsDockersForms) {
  struct Case {
    const char* text;
    const char* type;
    std::map<std::string, std::string> attributes;
  };
  const std::vector<Case> cases{
      {"out", "local", {{"dest", "out"}}},
      {"-", "tar", {{"dest", "-"}}},
      {"type=oci,dest=a.tar", "oci", {{"dest", "a.tar"}}},
      {"type=docker", "docker", {{"dest", "-"}}},
      {"type=local,dest=d", "local", {{"dest", "d"}}},
      {"type=registry", "image", {{"push", "true"}}},
      {R"(type=image,"name=a,b")", "image", {{"name", "a,b"}}},
      {R"(type=tar,"dest=a ""b"".tar")", "tar", {{"dest", "a \"b\".tar"}}},
  };
  for (const Case& one : cases) {
    const Output output = parse_output(one.text);
    EXPECT_EQ(output.type, one.type) << one.text;
    EXPECT_EQ(output.attributes, one.attributes) << one.text;
  }
}

TEST(ParseOutput, RefusesWhatHasNoMeaning) {
  for (const char* text : {"", "type=tarball", "type=local", "type=local,dest=-",
                           "type=image,dest=x", "dest=x", "type=oci,gzip", R"(type=oci,"dest=x)"})
    EXPECT_THROW(static_cast<void>(parse_output(text)), UsageError) << text;
}

TEST(BuildFlags, AnOutputsNamesAndPushAreTagsAndPush) {
  const BuildRequest asked = request({"-t", "a", "-o", R"(type=registry,"name=b:1,c")", "."});
  EXPECT_TRUE(asked.push);
  EXPECT_THAT(asked.tags, ElementsAre("a", "b:1", "c"));
  EXPECT_THAT(asked.outputs.at(0).attributes, IsEmpty());
  EXPECT_FALSE(request({"-o", "type=image,push=false", "."}).push);
  EXPECT_EQ(
      misuse({"-o", "type=image,compression=zstd", "."}),
      "--output \"type=image,compression=zstd\": type image has no attribute \"compression\"");
  EXPECT_THAT(misuse({"-o", "type=image,push=perhaps", "."}), HasSubstr("neither true nor false"));
}

TEST(ParseSize, CountsInPowersOf1024) {
  EXPECT_EQ(parse_size("--x", "65536"), 65536);
  EXPECT_EQ(parse_size("--x", "1k"), 1024);
  EXPECT_EQ(parse_size("--x", "64M"), 64LL << 20);
  EXPECT_EQ(parse_size("--x", "2gb"), 2LL << 30);
  EXPECT_EQ(parse_size("--x", "1GiB"), 1LL << 30);
  for (const char* text : {"", "m", "-1", "0", "1x", "1mm", "1.5g", "99999999999t"})
    EXPECT_THROW(static_cast<void>(parse_size("--x", text)), UsageError) << text;
}

TEST(BuildFlags, CallAsksAQuestionInsteadOfBuilding) {
  EXPECT_EQ(parse_call(parse({"."})).method, "");
  EXPECT_EQ(parse_call(parse({"--call=build", "."})).method, "");
  EXPECT_EQ(parse_call(parse({"--check", "."})).method, "check");
  EXPECT_EQ(parse_call(parse({"--call", "lint", "."})).method, "check");
  const Call outline = parse_call(parse({"--call=outline,format=json", "."}));
  EXPECT_EQ(outline.method, "outline");
  EXPECT_TRUE(outline.json);
  EXPECT_TRUE(parse_call(parse({"--call=check,ignorestatus=true", "."})).ignore_status);
  EXPECT_THAT(misuse({"--call=nonsense", "."}), HasSubstr("--call \"nonsense\""));

  const BuildRequest asked = request({"--check", "--push", "-o", "out", "."});
  EXPECT_EQ(asked.call, "check");
  EXPECT_FALSE(asked.push);
  EXPECT_THAT(asked.outputs, IsEmpty());
}

TEST(BuildFlags, NamedContextsArePairsOfANameAndAValue) {
  BuildFlags flags;
  flags.context = ".";
  flags.build_contexts = {"a=../a", "alpine:3::linux/arm64=docker-image://b=c", "a=last"};
  const BuildRequest request = to_request(flags, [](const std::string&) { return std::nullopt; });
  EXPECT_EQ(request.named_contexts.size(), 2U);
  EXPECT_EQ(request.named_contexts.at("a"), "last");
  EXPECT_EQ(request.named_contexts.at("alpine:3::linux/arm64"), "docker-image://b=c");
}

TEST(BuildFlags, ACacheIsAReferenceOrAList) {
  const BuildRequest asked =
      request({"--cache-from", "me/app:cache", "--cache-from", "type=local,src=a b", "--cache-to",
               "type=registry,ref=me/app:cache,mode=max", "."});
  ASSERT_EQ(asked.cache_from.size(), 2U);
  EXPECT_EQ(asked.cache_from[0].type, "registry");
  EXPECT_THAT(asked.cache_from[0].attributes, ElementsAre(Pair("ref", "me/app:cache")));
  EXPECT_EQ(asked.cache_from[1].type, "local");
  EXPECT_THAT(asked.cache_from[1].attributes, ElementsAre(Pair("src", "a b")));
  ASSERT_EQ(asked.cache_to.size(), 1U);
  EXPECT_EQ(asked.cache_to[0].attributes.at("mode"), "max");
  EXPECT_THAT(misuse({"--cache-to", "ref=a", "."}), HasSubstr("type="));
  EXPECT_THAT(misuse({"--cache-from", "UPPER", "."}), HasSubstr("--cache-from"));
  EXPECT_THAT(misuse({"--cache-to", "type=registry,ref", "."}), HasSubstr("\"ref\""));
}

}  // namespace
}  // namespace kiln::cli
