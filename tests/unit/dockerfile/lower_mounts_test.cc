// What the mounts of a RUN become in the graph.
#include <algorithm>

#include "tests/unit/dockerfile/build_support.h"

namespace kiln::dockerfile {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

/// The only or last RUN's operation, and its mounts of a type.
template <class Mount>
std::vector<Mount> mounts_of(const Lowered& lowered) {
  std::vector<Mount> result;
  for (const graph::ExecMount& mount : last_op<graph::ExecOp>(lowered).mounts) {
    if (const auto* one = std::get_if<Mount>(&mount)) result.push_back(*one);
  }
  return result;
}

const graph::Vertex& input_of(const Lowered& lowered, std::size_t index) {
  return lowered.graph[lowered.graph[lowered.target].inputs.at(index)];
}

TEST(RunMounts, AreNotInTheHistory) {
  const Lowered lowered =
      lower_text("FROM b\nARG A=1\nRUN --mount=type=cache,target=/c --network=none make\n");
  EXPECT_EQ(history_of(lowered).back(), "RUN |1 A=1 /bin/sh -c make # buildkit");
  EXPECT_EQ(lowered.graph[lowered.target].name,
            "[stage-0 2/2] RUN --mount=type=cache,target=/c --network=none make");
}

TEST(RunMounts, KeepTheirOrderAndJoinTheWorkingDirectory) {
  const Lowered lowered = lower_text(
      "FROM b\nWORKDIR /w\nRUN --mount=type=tmpfs,target=b --mount=type=tmpfs,target=../a/ "
      "--mount=type=tmpfs x\n");
  const auto mounts = mounts_of<graph::TmpfsMount>(lowered);
  ASSERT_THAT(mounts, SizeIs(3));
  EXPECT_EQ(mounts[0].target, "/w/b");
  EXPECT_EQ(mounts[1].target, "/a");
  EXPECT_EQ(mounts[2].target, "/w");
}

TEST(RunMounts, TakeOnlyTheSourceOfTheContext) {
  LowerOptions options = test_options();
  options.context_ignore = {"*.log"};
  const Lowered lowered = lower_text("FROM b\nRUN --mount=target=/t,source=a/b*.txt x\n", options);
  ASSERT_THAT(lowered.graph[lowered.target].inputs, SizeIs(2));
  const auto& local =
      std::get<graph::LocalSource>(std::get<graph::SourceOp>(input_of(lowered, 1).op));
  EXPECT_EQ(local.name, "context");
  EXPECT_THAT(local.include, ElementsAre("a/b*.txt"));
  EXPECT_TRUE(local.is_literal);
  EXPECT_THAT(local.exclude, ElementsAre("*.log"));
  EXPECT_EQ(mounts_of<graph::BindMount>(lowered).at(0).source, "/a/b*.txt");
  const Lowered whole = lower_text("FROM b\nRUN --mount=target=/t x\n");
  const auto& all = std::get<graph::LocalSource>(std::get<graph::SourceOp>(input_of(whole, 1).op));
  EXPECT_THAT(all.include, ElementsAre("."));
}

TEST(RunMounts, TakeTheSameFilesOfTheContextOnce) {
  const Lowered lowered = lower_text(
      "FROM b\nRUN --mount=target=/t,source=a x\nRUN --mount=target=/u,source=/a y\n"
      "RUN --mount=target=/t,source=b z\n");
  EXPECT_EQ(std::ranges::count(names_of(lowered), "[internal] load build context"), 2);
}

TEST(RunMounts, ComeFromStagesWhichAreBuiltForThem) {
  const Lowered lowered = lower_text(
      "FROM b AS Tools\nRUN tools\nFROM b AS unused\nRUN unused\nFROM b\n"
      "RUN --mount=from=tools,source=/bin,target=/t --mount=from=tools,target=/u x\n");
  const std::vector<std::string> names = names_of(lowered);
  EXPECT_THAT(names, Contains(HasSubstr("RUN tools")));
  EXPECT_THAT(names, Not(Contains(HasSubstr("unused"))));
  EXPECT_THAT(lowered.graph[lowered.target].inputs, SizeIs(2));
  const auto mounts = mounts_of<graph::BindMount>(lowered);
  EXPECT_EQ(mounts.at(0).input, 1U);
  EXPECT_EQ(mounts.at(1).input, 1U);
}

TEST(RunMounts, ComeFromImages) {
  FakeImages images;
  const Lowered lowered =
      lower_text("FROM b\nRUN --mount=from=busybox,target=/t x\n", test_options(), images);
  const auto& source = std::get<graph::SourceOp>(input_of(lowered, 1).op);
  EXPECT_EQ(std::get<graph::ImageSource>(source).reference.repository, "library/busybox");
  // A number is a name here, unlike in COPY --from.
  const Lowered zero = lower_text("FROM b\nRUN --mount=from=0,target=/t x\n");
  EXPECT_TRUE(
      std::holds_alternative<graph::ImageSource>(std::get<graph::SourceOp>(input_of(zero, 1).op)));
}

TEST(RunMounts, ComeFromEarlierStagesOnly) {
  EXPECT_THAT(error_text("FROM b AS one\nRUN --mount=from=two,target=/t x\nFROM b AS two\n"
                         "FROM one\n"),
              StartsWith("Dockerfile:2:13: cannot mount from stage \"two\", it needs to be defined "
                         "before current stage \"one\""));
  EXPECT_THAT(error_text("FROM b AS one\nRUN --mount=target=/t,from=one x\n"),
              StartsWith("Dockerfile:2:23: circular dependency detected on stage: one"));
}

TEST(RunMounts, CacheByTheirTargetInTheRequestsNamespace) {
  const std::string text =
      "FROM b\nWORKDIR /w\nRUN --mount=type=cache,target=/root/.cache/ "
      "--mount=type=cache,id=go,target=/go,sharing=LOCKED --mount=type=cache,target=rel x\n";
  const auto plain = mounts_of<graph::CacheMount>(lower_text(text));
  ASSERT_THAT(plain, SizeIs(3));
  EXPECT_EQ(plain[0].id, "//root/.cache");
  EXPECT_EQ(plain[0].target, "/root/.cache");
  EXPECT_EQ(plain[0].sharing, graph::CacheMount::Sharing::shared);
  EXPECT_EQ(plain[1].id, "/go");
  EXPECT_EQ(plain[1].sharing, graph::CacheMount::Sharing::locked);
  EXPECT_EQ(plain[2].id, "/rel");
  EXPECT_EQ(plain[2].target, "/w/rel");
  LowerOptions options = test_options();
  options.build_args = {{"BUILDKIT_CACHE_MOUNT_NS", "team"}};
  EXPECT_EQ(mounts_of<graph::CacheMount>(lower_text(text, options))[1].id, "team/go");
}

TEST(RunMounts, CachesMayBeginWithAStagesFiles) {
  const std::string head = "FROM b AS seed\nRUN s\nFROM b\nRUN --mount=type=cache,target=/c,";
  const auto seeded = mounts_of<graph::CacheMount>(lower_text(head + "from=seed,source=/d x\n"));
  EXPECT_EQ(seeded.at(0).input, 1U);
  EXPECT_EQ(seeded.at(0).source, "/d");
  // A directory with an owner of its own begins empty.
  EXPECT_EQ(mounts_of<graph::CacheMount>(lower_text(head + "from=seed,uid=5 x\n")).at(0).input,
            std::nullopt);
  EXPECT_THAT(error_text("FROM b\nRUN --mount=type=cache,target=/c,source=/d x\n"),
              HasSubstr("cache mount has no \"/d\" to begin with"));
}

TEST(RunMounts, SecretsAreFilesOrVariables) {
  const Lowered lowered = lower_text(
      "FROM b\nENV TOKEN=old\nRUN --mount=type=secret,id=dir/a --mount=type=secret,target=/x/y "
      "--mount=type=secret,id=t,env=TOKEN --mount=type=secret,source=s,env=E,target=f,required,"
      "mode=0440,uid=1,gid=2 use $TOKEN\n");
  const auto secrets = mounts_of<graph::SecretMount>(lowered);
  ASSERT_THAT(secrets, SizeIs(4));
  EXPECT_EQ(secrets[0].id, "dir/a");
  EXPECT_EQ(secrets[0].target, "/run/secrets/a");
  EXPECT_EQ(secrets[0].mode, 0400U);
  EXPECT_FALSE(secrets[0].required);
  EXPECT_EQ(secrets[1].id, "y");
  EXPECT_EQ(secrets[1].target, "/x/y");
  EXPECT_EQ(secrets[2].target, "");
  EXPECT_EQ(secrets[2].variable, "TOKEN");
  EXPECT_EQ(secrets[3].id, "s");
  EXPECT_EQ(secrets[3].target, "/f");
  EXPECT_EQ(secrets[3].variable, "E");
  EXPECT_TRUE(secrets[3].required);
  EXPECT_EQ(secrets[3].mode, 0440U);
  EXPECT_EQ(secrets[3].uid, 1U);
  EXPECT_EQ(secrets[3].gid, 2U);
  EXPECT_THAT(lowered.graph[lowered.target].name, HasSubstr("use ****"));
}

TEST(RunMounts, SshSocketsAreNumberedAndNamedInTheEnvironment) {
  const Lowered lowered = lower_text(
      "FROM b\nRUN --mount=type=ssh --mount=type=ssh,id=other,required=true "
      "--mount=type=ssh,target=/s x\n");
  const auto sockets = mounts_of<graph::SshMount>(lowered);
  ASSERT_THAT(sockets, SizeIs(3));
  EXPECT_EQ(sockets[0].id, "default");
  EXPECT_EQ(sockets[0].target, "/run/buildkit/ssh_agent.0");
  EXPECT_EQ(sockets[0].mode, 0600U);
  EXPECT_EQ(sockets[1].target, "/run/buildkit/ssh_agent.1");
  EXPECT_TRUE(sockets[1].required);
  EXPECT_EQ(sockets[2].target, "/s");
  EXPECT_THAT(last_op<graph::ExecOp>(lowered).env,
              Contains("SSH_AUTH_SOCK=/run/buildkit/ssh_agent.0"));
  EXPECT_THAT(
      last_op<graph::ExecOp>(lower_text("FROM b\nENV SSH_AUTH_SOCK=/own\nRUN --mount=type=ssh x\n"))
          .env,
      ElementsAre("PATH=/bin", "SSH_AUTH_SOCK=/own"));
}

TEST(RunMounts, StandBesideTheScriptOfAHereDocument) {
  const Lowered lowered = lower_text("FROM b\nRUN --mount=target=/t <<EOF\n#!/bin/sh\nls\nEOF\n");
  const auto mounts = mounts_of<graph::BindMount>(lowered);
  ASSERT_THAT(mounts, SizeIs(2));
  EXPECT_NE(mounts[0].input, mounts[1].input);
  EXPECT_THAT(last_op<graph::ExecOp>(lowered).args, ElementsAre("/bin/sh", "-c", "/dev/pipes/EOF"));
}

TEST(RunMounts, ComeWithOnbuildTriggers) {
  FakeImages images;
  images.configs["base"] = FakeImages::plain();
  images.configs["base"].config.on_build = {"RUN --mount=from=tools,target=/t x"};
  const std::string text = "FROM b AS tools\nRUN made\nFROM base\n";
  const Lowered lowered = lower_text(text, test_options(), images);
  EXPECT_THAT(names_of(lowered), Contains(HasSubstr("RUN made")));
  EXPECT_THAT(mounts_of<graph::BindMount>(lowered), SizeIs(1));
}

}  // namespace
}  // namespace kiln::dockerfile
