#include "cli/commands/build_secrets.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <thread>

#include "proto/limits.h"
#include "tests/unit/cli/scratch.h"

namespace kiln::cli {
namespace {

using test::Scratch;
using testing::ElementsAre;
using testing::HasSubstr;

Environment variables(std::map<std::string, std::string> values) {
  return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
    const auto found = values.find(name);
    if (found == values.end()) return std::nullopt;
    return found->second;
  };
}

struct Opened {
  BuildRequest request;
  std::vector<int> descriptors;
  Lending lending;
};

Opened open(const std::vector<std::string>& secrets,
            const std::vector<std::string>& ssh = {},
            std::map<std::string, std::string> environment = {}) {
  Opened opened;
  opened.lending = open_lending(secrets, ssh, variables(std::move(environment)), opened.request,
                                opened.descriptors);
  return opened;
}

std::string refusal(const std::vector<std::string>& secrets, const std::vector<std::string>& ssh) {
  try {
    (void)open(secrets, ssh);
  } catch (const Error& error) {
    return error.what();
  }
  return "opened";
}

TEST(ParseSecret, FollowsDocker) {
  struct Case {
    const char* name;
    const char* text;
    SecretFlag flag;
  };
  for (const Case& one : std::vector<Case>{
           {"id alone", "id=a", {"a", "", ""}},
           {"a file", "id=a,src=/x", {"a", "/x", ""}},
           {"the long word, in capitals", "ID=a,Source=/x", {"a", "/x", ""}},
           {"a variable", "id=a,env=A", {"a", "", "A"}},
           {"the variable as the source", "type=env,id=a,src=A", {"a", "", "A"}},
           {"the type of a file says nothing new", "type=file,id=a,src=/x", {"a", "/x", ""}},
           {"a quoted comma", "id=a,\"src=/x,y\"", {"a", "/x,y", ""}},
           {"an equals sign in the path", "id=a,src=/x=y", {"a", "/x=y", ""}}}) {
    const SecretFlag flag = parse_secret(one.text);
    EXPECT_EQ(flag.id, one.flag.id) << one.name;
    EXPECT_EQ(flag.file, one.flag.file) << one.name;
    EXPECT_EQ(flag.variable, one.flag.variable) << one.name;
  }
}

TEST(ParseSsh, FollowsDocker) {
  EXPECT_EQ(parse_ssh("default").id, "default");
  EXPECT_EQ(parse_ssh("").id, "default");
  EXPECT_EQ(parse_ssh("=/a").id, "default");
  EXPECT_EQ(parse_ssh("work=").id, "work");
  EXPECT_THAT(parse_ssh("work=").paths, ElementsAre());
  EXPECT_THAT(parse_ssh("work=/a,/b").paths, ElementsAre("/a", "/b"));
}

TEST(Lending, PassesTheFileItselfAndTheLastOfSeveralWithOneId) {
  const Scratch scratch;
  const Opened opened =
      open({"id=a,src=" + scratch.write("first", "1"), "id=b,src=" + scratch.write("other", "2"),
            "id=a,src=" + scratch.write("last", "3")});
  EXPECT_THAT(opened.request.descriptors, ElementsAre("secret:a", "secret:b"));
  ASSERT_EQ(opened.descriptors.size(), 2U);
  EXPECT_EQ(read_all(opened.descriptors[0], "x"), "3");
  EXPECT_EQ(read_all(opened.descriptors[1], "x"), "2");
}

TEST(Lending, PassesAVariableInASealedFile) {
  const Opened opened = open({"id=a,env=A", "id=b"}, {}, {{"A", "hunter2"}, {"b", "by its id"}});
  EXPECT_EQ(read_all(opened.descriptors.at(0), "x"), "hunter2");
  EXPECT_EQ(read_all(opened.descriptors.at(1), "x"), "by its id");
  EXPECT_NE(::fcntl(opened.descriptors[0], F_GET_SEALS) & F_SEAL_WRITE, 0);
}

TEST(Lending, ReadsAPipe) {
  const Scratch scratch;
  const std::string fifo = scratch / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  std::thread writer([&fifo] { std::ofstream(fifo) << "piped"; });
  const Opened opened = open({"id=a,src=" + fifo});
  writer.join();
  EXPECT_EQ(read_all(opened.descriptors.at(0), "x"), "piped");
}

TEST(Lending, NamesWhatWasTypedInItsErrors) {
  const Scratch scratch;
  EXPECT_THAT(refusal({"id=a,src=./nope"}, {}),
              HasSubstr("--secret \"id=a,src=./nope\": open ./nope: No such file"));
  EXPECT_THAT(refusal({"id=kiln-nope"}, {}),
              HasSubstr("neither a variable nor a file of the name kiln-nope"));
  EXPECT_THAT(refusal({"id=a,src=" + scratch.path()}, {}), HasSubstr("is a directory"));
  EXPECT_THAT(
      refusal({"id=a,src=" + scratch.write("big", std::string(kMaxSecretBytes + 1, 'x'))}, {}),
      HasSubstr("has 512001 bytes; a secret may have 500 KiB"));
  EXPECT_THAT(refusal({"src=a"}, {}), HasSubstr("--secret \"src=a\": the id is missing"));
  EXPECT_THAT(refusal({}, {"default"}), HasSubstr("SSH_AUTH_SOCK is not set"));
  EXPECT_THAT(refusal({}, {"a=/nope"}), HasSubstr("--ssh \"a=/nope\": /nope: No such file"));
}

TEST(Lending, RefusesTwoAgentsOfOneId) {
  const Scratch scratch;
  const auto agent = KeyAgent::start({});
  const std::string flag = "a=" + agent.socket();
  EXPECT_EQ(refusal({}, {flag, flag}),
            fmt::format("--ssh \"{}\": there is another with the id a", flag));
  EXPECT_THAT(refusal({}, {flag + "," + flag.substr(2)}), HasSubstr("stands alone"));
}

TEST(KeyAgent, GoesWithItsDirectory) {
  std::string socket;
  {
    const auto agent = KeyAgent::start({});
    socket = agent.socket();
    struct stat status{};
    ASSERT_EQ(::stat(socket.c_str(), &status), 0);
    EXPECT_TRUE(S_ISSOCK(status.st_mode));
  }
  EXPECT_FALSE(std::filesystem::exists(std::filesystem::path(socket).parent_path()));
}

}  // namespace
}  // namespace kiln::cli
