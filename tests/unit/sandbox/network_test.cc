// The default network: needs CNI plugins and iptables.
#include "builder/sandbox/network.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include "builder/sandbox/cni.h"
#include "builder/sandbox/programs.h"
#include "proto/error.h"
#include "tests/support/run_async.h"
#include "tests/unit/sandbox/fixture.h"

namespace kiln::sandbox::test {
namespace {

namespace fs = std::filesystem;
using kiln::test::run_async;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class BridgeNetwork : public RuntimeTest {
 protected:
  void SetUp() override {
    RuntimeTest::SetUp();
    if (IsSkipped()) return;
    if (!fs::exists("/usr/lib/cni/bridge")) GTEST_SKIP() << "there are no CNI plugins";
    if (!find_program("iptables")) GTEST_SKIP() << "there is no iptables";
    RuntimeConfig config = runtime_config(scratch(), GetParam());
    config.default_network = "default";
    mount_rootfs();
    open(config);
    if (!runtime_->warnings().empty()) GTEST_SKIP() << runtime_->warnings().front();
  }
  [[nodiscard]] std::vector<std::string> namespaces() const {
    return list_tree(scratch() / "state/networks");
  }
};

INSTANTIATE_TEST_SUITE_P(Each,
                         BridgeNetwork,
                         ::testing::Values("crun", "runc"),
                         [](const auto& info) { return info.param; });

TEST_P(BridgeNetwork, HasAnAddressAndReachesTheGateway) {
  const Result result = run(shell("ip -4 -o addr show eth0; ping -c1 -W2 10.213.0.1 && ip route"));
  EXPECT_EQ(result.status.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("inet 10.213."));
  EXPECT_THAT(result.out, HasSubstr("default via 10.213.0.1"));
  EXPECT_THAT(namespaces(), SizeIs(1));
  runtime_.reset();
  EXPECT_THAT(namespaces(), IsEmpty());
}

TEST_P(BridgeNetwork, KeepsANamespaceForTheNextStepButNotAPrivilegedOnes) {
  const RunSpec address = shell("ip -4 -o addr show eth0");
  const std::string first = run(address).out;
  EXPECT_EQ(run(address).out, first);
  RunSpec privileged = address;
  privileged.insecure = true;
  EXPECT_EQ(run(privileged).out, first);
  EXPECT_THAT(namespaces(), IsEmpty());
  EXPECT_NE(run(address).out, first);
}

TEST_P(BridgeNetwork, KnowsTheHostByName) {
  RunSpec spec = shell("cat /etc/hosts");
  spec.add_hosts = {"outer:host-gateway"};
  EXPECT_THAT(run(spec).out, HasSubstr("10.213.0.1\touter"));
}

class NetworkFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  }
  os::TempDir scratch_{"/tmp", "kiln-networks"};
  boost::asio::thread_pool pool_{1};
};

TEST_F(NetworkFiles, WithoutPluginsTheHostsNetworkIsUsedWithAWarning) {
  Networks networks({scratch_.path() / "n", "/nonexistent", "kiln-test", Network::standard}, pool_);
  run_async(networks.open());
  EXPECT_THAT(networks.warnings(), SizeIs(1));
  EXPECT_THAT(networks.warnings().front(), HasSubstr("RUN uses the host's network"));
  EXPECT_TRUE(networks.standard_is_host());
  const auto lease = run_async(networks.lease(Network::standard, false));
  EXPECT_TRUE(lease.place().shares_host);
  EXPECT_FALSE(run_async(networks.lease(Network::none, false)).place().shares_host);
}

TEST_F(NetworkFiles, APluginThatFailsAtFirstMeansTheHostsNetwork) {
  if (!find_program("iptables")) GTEST_SKIP() << "there is no iptables";
  const fs::path plugins = scratch_.path() / "plugins";
  fs::create_directories(plugins);
  for (const char* name : {"bridge", "host-local"}) {
    os::write_file(plugins / name,
                   "#!/bin/sh\n[ $CNI_COMMAND = DEL ] && exit 0\n"
                   "echo '{\"code\":7,\"msg\":\"no bridge in this kernel\"}'; exit 1\n");
    fs::permissions(plugins / name, fs::perms::owner_all);
  }
  Networks networks({scratch_.path() / "n", plugins, "kiln-test", Network::standard}, pool_);
  run_async(networks.open());
  EXPECT_THAT(networks.warnings(), IsEmpty());
  EXPECT_TRUE(run_async(networks.lease(Network::standard, false)).place().shares_host);
  EXPECT_TRUE(run_async(networks.lease(Network::standard, false)).place().shares_host);
  EXPECT_THAT(networks.warnings(), SizeIs(1));
  EXPECT_THAT(networks.warnings().front(), HasSubstr("no bridge in this kernel"));
  run_async(networks.trim(true));
  EXPECT_TRUE(fs::is_empty(scratch_.path() / "n"));
}

TEST_F(NetworkFiles, LeftOversOfADeadDaemonAreTakenAway) {
  if (!fs::exists("/usr/lib/cni/bridge")) GTEST_SKIP() << "there are no CNI plugins";
  fs::create_directories(scratch_.path() / "n");
  os::write_file(scratch_.path() / "n/kiln-test-left", "");
  Networks networks({scratch_.path() / "n", "/usr/lib/cni", "kiln-test", Network::host}, pool_);
  run_async(networks.open());
  EXPECT_THAT(networks.warnings(), IsEmpty());
  EXPECT_TRUE(fs::is_empty(scratch_.path() / "n"));
}

}  // namespace
}  // namespace kiln::sandbox::test
