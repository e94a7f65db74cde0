#include "builder/sandbox/seccomp.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "builder/os/file.h"
#include "builder/sandbox/capabilities.h"
#include "proto/error.h"

namespace kiln::sandbox {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

const SeccompTarget kTarget{"amd64", {"CAP_CHOWN", "CAP_AUDIT_WRITE"}, 6, 1};

std::vector<std::string> allowed_names(const json& result) {
  std::vector<std::string> names;
  for (const json& rule : result.at("syscalls")) {
    for (const json& name : rule.at("names"))
      names.push_back(name);
  }
  return names;
}

TEST(Seccomp, KeepsTheRulesWhoseConditionsHold) {
  const std::string profile = R"({
    "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38,
    "archMap": [
      {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
      {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]}],
    "syscalls": [
      {"names": ["always"], "action": "SCMP_ACT_ALLOW", "args": [], "includes": {}, "excludes": {}},
      {"names": ["bare"], "action": "SCMP_ACT_ALLOW", "args": null},
      {"name": "old", "action": "SCMP_ACT_ALLOW"},
      {"names": ["here"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm", "amd64"]}},
      {"names": ["elsewhere"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["s390x"]}},
      {"names": ["not-here"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["amd64"]}},
      {"names": ["with-cap"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_CHOWN"]}},
      {"names": ["lacks-cap"], "action": "SCMP_ACT_ALLOW",
       "includes": {"caps": ["CAP_CHOWN", "CAP_SYS_ADMIN"]}},
      {"names": ["without-cap"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1, "errno": "EPERM",
       "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
      {"names": ["excluded"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_CHOWN"]}},
      {"names": ["new-kernel"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
      {"names": ["newer-kernel"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "6.10"}}
    ]})";
  const json result = json::parse(translate_seccomp(profile, kTarget));
  EXPECT_EQ(result.at("defaultAction"), "SCMP_ACT_ERRNO");
  EXPECT_EQ(result.at("defaultErrnoRet"), 38);
  EXPECT_EQ(result.at("architectures"), (json{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86"}));
  EXPECT_THAT(allowed_names(result), ElementsAre("always", "bare", "old", "here", "with-cap",
                                                 "without-cap", "new-kernel"));
  EXPECT_EQ(result.at("syscalls").at(5).at("errnoRet"), 1);
  EXPECT_FALSE(result.at("syscalls").at(5).contains("errno"));
  EXPECT_FALSE(result.at("syscalls").at(0).contains("includes"));
}

TEST(Seccomp, RefusesWhatIsNoProfile) {
  for (const char* text : {"", "{", "[]", "{}", R"({"defaultAction":"x","syscalls":[{}]})",
                           R"({"defaultAction":"x","syscalls":[{"names":["a"],"action":"b",
                              "includes":{"minKernel":"new"}}]})"}) {
    EXPECT_THROW(static_cast<void>(translate_seccomp(text, kTarget)), Error) << text;
  }
}

TEST(Seccomp, TranslatesTheDistributionsProfile) {
  const auto path = find_seccomp_profile();
  if (!path) GTEST_SKIP() << "no profile is installed";
  const json result = json::parse(
      translate_seccomp(os::read_file(*path, 4 * 1024 * 1024),
                        local_seccomp_target(default_capabilities(own_capabilities()))));
  const auto names = allowed_names(result);
  EXPECT_THAT(names, ::testing::Contains("execve"));
  EXPECT_FALSE(result.at("architectures").empty());
  for (const json& rule : result.at("syscalls")) {
    if (rule.at("action") != "SCMP_ACT_ALLOW" || rule.contains("args")) continue;
    EXPECT_THAT(rule.at("names").get<std::vector<std::string>>(),
                ::testing::Not(::testing::Contains("init_module")));
  }
}

TEST(Capabilities, AreNeverMoreThanAllowed) {
  EXPECT_EQ(default_capabilities(~std::uint64_t{0}).size(), 14u);
  EXPECT_THAT(default_capabilities(1), ElementsAre("CAP_CHOWN"));
  EXPECT_EQ(all_capabilities(~std::uint64_t{0}).size(), 41u);
  EXPECT_THAT(all_capabilities(0), ::testing::IsEmpty());
}

}  // namespace
}  // namespace kiln::sandbox
