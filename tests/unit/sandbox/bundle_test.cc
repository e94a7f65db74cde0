#include "builder/sandbox/bundle.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "proto/error.h"

namespace kiln::sandbox {
namespace {

using nlohmann::json;

RunSpec simple_spec() {
  RunSpec spec;
  spec.rootfs = "/root-fs";
  spec.args = {"true"};
  return spec;
}

json config_of(const RunSpec& spec, BundlePlaces places = {}, BundleOptions options = {}) {
  return json::parse(BundleFormat(std::move(options)).config(spec, places));
}

std::vector<std::string> mount_targets(const json& config) {
  std::vector<std::string> targets;
  for (const json& mount : config.at("mounts"))
    targets.push_back(mount.at("destination"));
  return targets;
}

std::vector<std::string> namespace_types(const json& config) {
  std::vector<std::string> types;
  for (const json& one : config.at("linux").at("namespaces"))
    types.push_back(one.at("type"));
  return types;
}

TEST(Bundle, HasDockersMountsAndThenTheUsersWithOuterOnesFirst) {
  RunSpec spec = simple_spec();
  spec.mounts = {TmpfsMount{"/a/b/c", 0}, TmpfsMount{"z", 4096}, TmpfsMount{"/a", 0, true}};
  const json config = config_of(spec);
  EXPECT_THAT(mount_targets(config),
              ::testing::ElementsAre("/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys",
                                     "/sys/fs/cgroup", "/etc/resolv.conf", "/etc/hosts", "/z", "/a",
                                     "/a/b/c"));
  EXPECT_THAT(config.at("mounts").at(9).at("options"), ::testing::Contains("size=4096"));
  EXPECT_THAT(config.at("mounts").at(10).at("options"), ::testing::Contains("ro"));
}

TEST(Bundle, SharesOrMakesOrJoinsANetworkNamespace) {
  BundlePlaces places;
  places.network.shares_host = true;
  EXPECT_THAT(namespace_types(config_of(simple_spec(), places)),
              ::testing::Not(::testing::Contains("network")));
  places.network = {false, ""};
  EXPECT_FALSE(
      config_of(simple_spec(), places).at("linux").at("namespaces").back().contains("path"));
  places.network = {false, "/run/ns"};
  EXPECT_EQ(config_of(simple_spec(), places).at("linux").at("namespaces").back().at("path"),
            "/run/ns");
}

TEST(Bundle, GivesHomeAndPathOnlyWhenTheStepHasNone) {
  RunSpec spec = simple_spec();
  BundlePlaces places;
  places.user.home = "/home/app";
  EXPECT_THAT(config_of(spec, places).at("process").at("env"),
              ::testing::Contains("HOME=/home/app"));
  spec.env = {"HOME=/mine", "PATH=/bin"};
  EXPECT_EQ(config_of(spec, places).at("process").at("env"), json(spec.env));
}

TEST(Bundle, GivesOtherUsersTheBoundingSetAlone) {
  BundlePlaces places;
  places.user.uid = 5;
  const BundleOptions options{~std::uint64_t{0}, std::nullopt, std::nullopt, false, 0};
  const json config = config_of(simple_spec(), places, options);
  EXPECT_EQ(config.at("process").at("capabilities").at("bounding").size(), 14u);
  EXPECT_FALSE(config.at("process").at("capabilities").contains("effective"));
}

TEST(Bundle, OfAnInsecureStepHasNoFilterAndMasksNothing) {
  RunSpec spec = simple_spec();
  const BundleOptions options{~std::uint64_t{0}, R"({"defaultAction":"x"})", "program", true, 0};
  EXPECT_TRUE(config_of(spec, {}, options).at("linux").contains("seccomp"));
  EXPECT_EQ(config_of(spec, {}, options).at("annotations").at("run.oci.seccomp_bpf_data"),
            "cHJvZ3JhbQ==");
  spec.insecure = true;
  const json config = config_of(spec, {}, options);
  EXPECT_FALSE(config.contains("annotations"));
  EXPECT_FALSE(config.at("linux").contains("seccomp"));
  EXPECT_FALSE(config.at("linux").contains("maskedPaths"));
  EXPECT_EQ(config.at("process").at("capabilities").at("effective").size(), 41u);
  EXPECT_EQ(config.at("linux").at("resources").at("devices").at(0).at("allow"), true);
}

TEST(Bundle, NamesUlimitsAsTheSpecificationDoes) {
  RunSpec spec = simple_spec();
  spec.ulimits = {{"nofile", 1, 2}};
  EXPECT_EQ(config_of(spec).at("process").at("rlimits"),
            json::parse(R"([{"type":"RLIMIT_NOFILE","soft":1,"hard":2}])"));
  spec.ulimits = {{"files", 1, 2}};
  EXPECT_THROW(config_of(spec), Error);
}

TEST(Bundle, CleansPathsAsDockerDoes) {
  EXPECT_EQ(absolute_path(""), "/");
  EXPECT_EQ(absolute_path("a//b/./c/"), "/a/b/c");
  EXPECT_EQ(absolute_path("/a/../../b/.."), "/");
  RunSpec spec = simple_spec();
  spec.working_dir = "/x/../y";
  EXPECT_EQ(config_of(spec).at("process").at("cwd"), "/y");
}

TEST(Bundle, RefusesTextThatNoConfigurationCanHold) {
  RunSpec spec = simple_spec();
  spec.args = {"\xff"};
  EXPECT_THROW(config_of(spec), Error);
}

}  // namespace
}  // namespace kiln::sandbox
