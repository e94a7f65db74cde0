// What RUN --mount accepts and refuses, and how it says so.
#include "tests/unit/dockerfile/build_support.h"

namespace kiln::dockerfile {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

std::string error_of_mount(const std::string& mount) {
  return error_text("FROM b\nRUN --mount=" + mount + " x\n");
}

template <class Mount>
Mount mount_of(const std::string& text, const std::string& before = "") {
  const Lowered lowered = lower_text("FROM b\n" + before + "RUN --mount=" + text + " x\n");
  return std::get<Mount>(last_op<graph::ExecOp>(lowered).mounts.at(0));
}

TEST(Mounts, AreBindsUnlessTheySayOtherwise) {
  const auto mount = mount_of<graph::BindMount>("target=/t");
  EXPECT_EQ(mount.source, "/");
  EXPECT_EQ(mount.target, "/t");
  EXPECT_FALSE(mount.writable);
}

TEST(Mounts, HaveSeveralNamesForAKey) {
  for (const char* text : {"target=/t,source=/s", "dst=/t,src=s", "destination=/t,SOURCE=./s/"}) {
    const auto mount = mount_of<graph::BindMount>(text);
    EXPECT_EQ(mount.target, "/t") << text;
    EXPECT_EQ(mount.source, "/s") << text;
  }
}

TEST(Mounts, AreWritableWhenTheySaySo) {
  for (const char* text : {"rw", "readwrite", "rw=true", "readwrite=1", "ro=false", "readonly=F"})
    EXPECT_TRUE(mount_of<graph::BindMount>(fmt::format("target=/t,{}", text)).writable) << text;
  for (const char* text : {"ro", "readonly", "ro=T", "rw=0", "rw,ro"})
    EXPECT_FALSE(mount_of<graph::BindMount>(fmt::format("target=/t,{}", text)).writable) << text;
  EXPECT_TRUE(mount_of<graph::CacheMount>("type=cache,target=/t,ro").read_only);
  EXPECT_FALSE(mount_of<graph::CacheMount>("type=cache,target=/t").read_only);
  EXPECT_TRUE(mount_of<graph::TmpfsMount>("type=tmpfs,target=/t,ro").read_only);
  EXPECT_THAT(error_of_mount("target=/t,rw=maybe"),
              StartsWith("Dockerfile:2:23: invalid value for rw: maybe; write true or false"));
}

TEST(Mounts, AreRefusedAtTheKeyThatIsWrong) {
  EXPECT_THAT(error_of_mount("type=cache,taget=/x"),
              StartsWith("Dockerfile:2:24: unexpected key 'taget' in 'taget=/x'; "
                         "did you mean target?"));
  EXPECT_THAT(error_of_mount("type=cahe,target=/x"),
              StartsWith("Dockerfile:2:13: unsupported mount type \"cahe\"; did you mean cache?"));
  EXPECT_THAT(error_of_mount("target=/x,colour"),
              StartsWith("Dockerfile:2:23: invalid field 'colour' must be a key=value pair"));
  EXPECT_THAT(error_of_mount("target"), HasSubstr("write target=VALUE"));
  EXPECT_THAT(error_of_mount("type=cache,sharing=lockd,target=/x"),
              HasSubstr("unsupported sharing value \"lockd\"; did you mean locked?"));
  EXPECT_THAT(error_text("FROM b\nRUN --mount=target=/a \\\n  --mount=type=cache,mode=9 x\n"),
              StartsWith("Dockerfile:3:22: invalid value 9 for mode"));
}

TEST(Mounts, HaveKeysOfTheirTypeOnly) {
  EXPECT_THAT(error_of_mount("target=/x,mode=0755"),
              HasSubstr("mode not allowed for \"bind\" type mounts"));
  EXPECT_THAT(error_of_mount("type=tmpfs,target=/x,uid=1"),
              HasSubstr("uid not allowed for \"tmpfs\" type mounts"));
  EXPECT_THAT(error_of_mount("type=tmpfs,target=/x,gid=1"), HasSubstr("gid not allowed"));
  EXPECT_THAT(error_of_mount("type=cache,target=/x,required"),
              HasSubstr("unexpected key 'required' for mount type 'cache'"));
  EXPECT_THAT(error_of_mount("type=bind,target=/x,sharing=locked"),
              HasSubstr("invalid cache sharing set for bind mount"));
  EXPECT_THAT(error_of_mount("type=secret,id=a,sharing=locked"),
              HasSubstr("secret mount should not define sharing"));
  EXPECT_THAT(error_of_mount("type=secret,id=a,from=b"), HasSubstr("should not have a from"));
  EXPECT_THAT(error_of_mount("type=secret"), HasSubstr("one of source, target required"));
  EXPECT_THAT(error_of_mount("type=secret,id=a,source=b"),
              HasSubstr("both source and id can't be set"));
  EXPECT_THAT(error_of_mount("type=ssh,source=x"), HasSubstr("ssh does not support source"));
}

TEST(Mounts, HaveTheTypeInFrontOfItsKeys) {
  EXPECT_THAT(error_of_mount("size=1m,type=tmpfs,target=/x"),
              HasSubstr("unexpected key 'size' for mount type 'bind'; size is for type=tmpfs, "
                        "which has to stand before it"));
}

TEST(Mounts, HaveSizesWithUnits) {
  const std::vector<std::pair<std::string, std::uint64_t>> sizes = {
      {"100", 100}, {"1k", 1024}, {"64m", 64U << 20U}, {"2GiB", 2ULL << 30U}, {"1.5kb", 1536},
      {"0", 0},     {"7B", 7}};
  for (const auto& [text, bytes] : sizes)
    EXPECT_EQ(mount_of<graph::TmpfsMount>("type=tmpfs,target=/t,size=" + text).size_bytes, bytes);
  for (const char* text : {"", "m", "-1", "1x", "1kibi", "99999999999999999999g"}) {
    EXPECT_THAT(error_of_mount(fmt::format("type=tmpfs,target=/t,size={}", text)),
                HasSubstr(fmt::format("invalid value for size: {}", text)));
  }
}

TEST(Mounts, HaveOwnersAsNumbers) {
  const auto mount = mount_of<graph::CacheMount>("type=cache,target=/t,uid=7,gid=8,mode=01770");
  EXPECT_EQ(mount.uid, 7U);
  EXPECT_EQ(mount.gid, 8U);
  EXPECT_EQ(mount.mode, 0770U);
  for (const char* text : {"uid=me", "gid=-1", "uid=", "uid=4294967296", "mode=0o755", "mode=rwx"})
    EXPECT_THAT(error_of_mount(fmt::format("type=cache,target=/t,{}", text)),
                HasSubstr("invalid value "));
}

TEST(Mounts, MayHaveCommasInQuotes) {
  EXPECT_EQ(mount_of<graph::BindMount>(R"('"target=/a,b",src=/s')").target, "/a,b");
  EXPECT_EQ(mount_of<graph::BindMount>(R"(src=/s,\"target=/a,b\")").target, "/a,b");
  EXPECT_EQ(mount_of<graph::BindMount>(R"('"target=""/a,b""",src=/s')").target, "/a,b");
  EXPECT_THAT(error_of_mount(R"('"target=/a')"),
              StartsWith("Dockerfile:2:5: failed to parse csv mounts"));
  EXPECT_THAT(error_of_mount(R"('target="/a"')"), HasSubstr("failed to parse csv mounts"));
  EXPECT_THAT(error_of_mount("target=/a,"), HasSubstr("invalid field ''"));
}

TEST(Mounts, SeeTheVariablesOfTheStage) {
  const std::string before = "ARG T=tmpfs\nENV WHERE=/a S=2k\n";
  const auto mount = mount_of<graph::TmpfsMount>("type=$T,target=${WHERE}/b,size=$S", before);
  EXPECT_EQ(mount.target, "/a/b");
  EXPECT_EQ(mount.size_bytes, 2048U);
  const Lowered lowered = lower_text("FROM b\nRUN --mount=type=cache,target=/a$NONE x\n");
  EXPECT_THAT(rules_of(lowered), testing::ElementsAre("UndefinedVar"));
}

TEST(Mounts, HaveNoVariablesInFrom) {
  EXPECT_THAT(error_text("ARG V=b\nFROM $V\nRUN --mount=from=$V,target=/x x\n"),
              StartsWith("Dockerfile:3:13: 'from' doesn't support variable expansion, define alias "
                         "stage instead; write FROM $V AS NAME, and from=NAME here"));
}

TEST(Mounts, AreReadInNeededStagesOnly) {
  EXPECT_THAT(error_text("FROM b AS unused\nRUN --mount=type=foo x\nFROM b\n"), IsEmpty());
}

TEST(Mounts, NeedAPlaceThatIsNotTheRoot) {
  EXPECT_THAT(error_of_mount("type=cache,target=/"),
              StartsWith("Dockerfile:2:24: invalid mount target \"/\""));
  EXPECT_THAT(error_of_mount("target=../.."), HasSubstr("invalid mount target \"../..\""));
  EXPECT_THAT(error_of_mount("type=tmpfs"), HasSubstr("say where with target=PATH"));
}

}  // namespace
}  // namespace kiln::dockerfile
