#include "tests/unit/dockerfile/build_support.h"

namespace kiln::dockerfile {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

TEST(Run, UsesTheShell) {
  const Lowered lowered = lower_text("FROM base\nWORKDIR /w\nUSER me\nRUN pip3 install -r x.txt\n");
  const auto& op = last_op<graph::ExecOp>(lowered);
  EXPECT_THAT(op.args, ElementsAre("/bin/sh", "-c", "pip3 install -r x.txt"));
  EXPECT_THAT(op.env, ElementsAre("PATH=/bin"));
  EXPECT_EQ(op.working_dir, "/w");
  EXPECT_EQ(op.user, "me");
  EXPECT_EQ(history_of(lowered).back(), "RUN /bin/sh -c pip3 install -r x.txt # buildkit");
  EXPECT_EQ(lowered.graph[lowered.target].name, "[3/3] RUN pip3 install -r x.txt");
  EXPECT_EQ(lowered.graph[lowered.target].range.first_line, 4);
}

TEST(Run, UsesTheShellOfShell) {
  EXPECT_THAT(last_op<graph::ExecOp>(lower_text("FROM b\nSHELL [\"bash\", \"-ec\"]\nRUN x\n")).args,
              ElementsAre("bash", "-ec", "x"));
}

TEST(Run, ExecutesTheExecFormAsItIs) {
  const Lowered lowered = lower_text("FROM b\nENV A=1\nRUN [\"echo\", \"$A\"]\n");
  EXPECT_THAT(last_op<graph::ExecOp>(lowered).args, ElementsAre("echo", "$A"));
  EXPECT_EQ(history_of(lowered).back(), "RUN echo $A # buildkit");
}

TEST(Run, SeesOnlyTheArgumentsDeclaredBefore) {
  LowerOptions options = test_options();
  options.build_args = {{"VERSION", "3"}, {"UNUSED", "x"}, {"LATER", "y"}};
  const Lowered lowered = lower_text(
      "ARG G=global\nFROM b\nARG VERSION=1\nARG G\nARG NONE\nENV E=$VERSION\nRUN echo $VERSION\n"
      "ARG LATER\n",
      options);
  EXPECT_THAT(last_op<graph::ExecOp>(lowered).env,
              ElementsAre("PATH=/bin", "VERSION=3", "G=global", "E=3"));
  EXPECT_THAT(history_of(lowered),
              ElementsAre("ARG VERSION=3", "ARG G=global", "ARG NONE", "ENV E=3",
                          "RUN |3 VERSION=3 G=global NONE= /bin/sh -c echo $VERSION # buildkit",
                          "ARG LATER=y"));
}

TEST(Run, FlattensRepeatedArguments) {
  EXPECT_EQ(
      history_of(lower_text("FROM b\nARG foo=bar\nARG bar=123\nARG foo=bar2\nRUN ls\n")).back(),
      "RUN |2 foo=bar2 bar=123 /bin/sh -c ls # buildkit");
}

TEST(Run, LetsEnvOverrideAnArgument) {
  const Lowered lowered = lower_text("FROM b\nARG A=1\nENV A=2\nRUN x\n");
  EXPECT_THAT(last_op<graph::ExecOp>(lowered).env, ElementsAre("PATH=/bin", "A=2"));
  EXPECT_THAT(lowered.config.config.env, ElementsAre("PATH=/bin", "A=2"));
}

TEST(Run, GetsPlatformArgumentsOnlyWhenDeclared) {
  EXPECT_THAT(
      last_op<graph::ExecOp>(lower_text("FROM b\nARG TARGETPLATFORM TARGETARCH\nRUN x\n")).env,
      ElementsAre("PATH=/bin", "TARGETPLATFORM=linux/amd64", "TARGETARCH=amd64"));
}

TEST(Run, GetsProxiesOutsideOfKeyAndHistory) {
  LowerOptions options = test_options();
  options.build_args = {{"http_proxy", "http://p"}, {"NO_PROXY", "x"}};
  const Lowered lowered = lower_text("FROM b\nRUN x\n", options);
  EXPECT_THAT(
      last_op<graph::ExecOp>(lowered).proxy_env,
      ElementsAre("HTTP_PROXY=http://p", "http_proxy=http://p", "NO_PROXY=x", "no_proxy=x"));
  EXPECT_THAT(last_op<graph::ExecOp>(lowered).env, ElementsAre("PATH=/bin"));
  EXPECT_EQ(history_of(lowered).back(), "RUN /bin/sh -c x # buildkit");
}

TEST(Run, IsInsecureOnlyWithTheEntitlement) {
  const std::string text = "FROM b\nRUN --security=insecure x\n";
  EXPECT_THAT(error_text(text),
              StartsWith("Dockerfile:2:5: RUN --security=insecure is not allowed; pass --allow "
                         "security.insecure to the build"));
  LowerOptions options = test_options();
  options.allow = {"security.insecure"};
  EXPECT_TRUE(last_op<graph::ExecOp>(lower_text(text, options)).insecure);
  EXPECT_FALSE(last_op<graph::ExecOp>(lower_text("FROM b\nRUN --security=sandbox x\n")).insecure);
}

TEST(Run, TakesANetwork) {
  const auto network = [](const std::string& flag, const LowerOptions& options) {
    return last_op<graph::ExecOp>(lower_text("FROM b\nRUN " + flag + " x\n", options)).network;
  };
  LowerOptions options = test_options();
  EXPECT_EQ(network("--network=none", options), graph::Network::none);
  EXPECT_EQ(network("--security=sandbox", options), graph::Network::standard);
  EXPECT_THAT(error_text("FROM b\nRUN --network=host x\n", options),
              StartsWith("Dockerfile:2:5: RUN --network=host is not allowed"));
  options.allow = {"network.host"};
  EXPECT_EQ(network("--network=host", options), graph::Network::host);
  options.network = graph::Network::none;
  EXPECT_EQ(network("--network=default", options), graph::Network::none);
}

TEST(Run, HandsALoneHeredocToTheShell) {
  const Lowered lowered = lower_text("FROM b\nRUN <<EOF\necho a\necho $B\nEOF\n");
  EXPECT_THAT(last_op<graph::ExecOp>(lowered).args,
              ElementsAre("/bin/sh", "-c", "echo a\necho $B\n"));
  EXPECT_EQ(lowered.graph[lowered.target].name, "[2/2] RUN <<EOF (echo a...)");
}

TEST(Run, StripsTabsOfALoneHeredoc) {
  EXPECT_THAT(last_op<graph::ExecOp>(lower_text("FROM b\nRUN <<-EOF\n\t\techo a\n\tEOF\n")).args,
              ElementsAre("/bin/sh", "-c", "echo a\n"));
}

TEST(Run, LetsTheShellReadOtherHeredocs) {
  EXPECT_THAT(
      last_op<graph::ExecOp>(lower_text("FROM b\nRUN cat <<A && cat <<-B\n1\nA\n\t2\n\tB\n")).args,
      ElementsAre("/bin/sh", "-c", "cat <<A && cat <<-B\n1\nA\n\t2\nB"));
}

TEST(Run, ExecutesAScriptWithAnInterpreter) {
  const Lowered lowered = lower_text("FROM b\nRUN <<S\n#!/usr/bin/env python\nprint(1)\nS\n");
  const auto& op = last_op<graph::ExecOp>(lowered);
  EXPECT_THAT(op.args, ElementsAre("/bin/sh", "-c", "/dev/pipes/S"));
  ASSERT_THAT(op.mounts, SizeIs(1));
  const auto& mount = std::get<graph::BindMount>(op.mounts[0]);
  EXPECT_EQ(mount.target, "/dev/pipes");
  EXPECT_FALSE(mount.writable);
  const graph::Vertex& script = lowered.graph[lowered.graph[lowered.target].inputs.at(mount.input)];
  const auto& file =
      std::get<graph::MkfileAction>(std::get<graph::FileOp>(script.op).actions.at(0));
  EXPECT_EQ(file.path, "/S");
  EXPECT_EQ(file.mode, 0755U);
  EXPECT_EQ(file.content, "#!/usr/bin/env python\nprint(1)\n");
}

TEST(Run, IgnoresTheCacheWhereAsked) {
  LowerOptions options = test_options();
  options.no_cache_stages = {"X"};
  const Lowered lowered =
      lower_text("FROM b AS x\nRUN one\nFROM b\nRUN two\nCOPY --from=x / /\n", options);
  std::vector<std::string> ignoring;
  for (std::size_t i = 0; i < lowered.graph.size(); ++i) {
    if (lowered.graph[i].ignore_cache) ignoring.push_back(lowered.graph[i].name);
  }
  EXPECT_THAT(ignoring, ElementsAre("[x 2/2] RUN one"));
  options.no_cache = true;
  const Lowered all = lower_text("FROM b\nRUN one\n", options);
  EXPECT_TRUE(all.graph[all.target].ignore_cache);
}

TEST(Run, CarriesTheRequestsSettings) {
  LowerOptions options = test_options();
  options.add_hosts = {"a:1.2.3.4"};
  options.ulimits = {{"nofile", 1, 2}};
  options.shm_size_bytes = 5;
  options.build_args["BUILDKIT_SANDBOX_HOSTNAME"] = "here";
  const Lowered lowered = lower_text("FROM b\nRUN x\n", options);
  const auto& op = last_op<graph::ExecOp>(lowered);
  EXPECT_THAT(op.add_hosts, ElementsAre("a:1.2.3.4"));
  EXPECT_THAT(op.ulimits, SizeIs(1));
  EXPECT_EQ(op.shm_size_bytes, 5);
  EXPECT_EQ(op.hostname, "here");
  EXPECT_THAT(op.mounts, IsEmpty());
}

TEST(Run, AlignsStepNumbers) {
  std::string text = "FROM b\n";
  for (int i = 0; i < 10; ++i)
    text += "RUN x\n";
  const Lowered lowered = lower_text(text);
  EXPECT_EQ(lowered.graph[1].name, "[ 2/11] RUN x");
  EXPECT_EQ(lowered.graph[lowered.target].name, "[11/11] RUN x");
}

TEST(Run, NamesStepsWithTheirVariables) {
  const Lowered lowered = lower_text("FROM b\nENV A=1\nrun echo $A '$A' \"$B\" \\\n  more\n");
  EXPECT_EQ(lowered.graph[lowered.target].name, "[2/2] RUN echo 1 '$A' \"$B\"   more");
}

}  // namespace
}  // namespace kiln::dockerfile
