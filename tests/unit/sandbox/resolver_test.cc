#include "builder/sandbox/resolver.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::sandbox {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Resolver : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(root() / "etc");
    fs::create_directories(root() / "run/systemd/resolve");
  }
  [[nodiscard]] fs::path root() const { return scratch_.path(); }
  void host_has(std::string_view text) const { os::write_file(root() / "etc/resolv.conf", text); }
  void systemd_has(std::string_view text) const {
    os::write_file(root() / "run/systemd/resolve/resolv.conf", text);
  }

  os::TempDir scratch_{"/tmp", "kiln-resolver"};
};

TEST_F(Resolver, IsTheHosts) {
  const std::string text = "# mine\nnameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch example\n";
  host_has(text);
  systemd_has("nameserver 10.9.9.9\n");
  EXPECT_EQ(resolver_config(root(), false).text, text);
  EXPECT_EQ(resolver_config(root(), false).warning, "");
}

TEST_F(Resolver, IsWhatSystemdForwardsToWhenTheHostHasOnlyLoopback) {
  host_has("nameserver 127.0.0.53\nnameserver ::1\n");
  systemd_has("nameserver 10.9.9.9\n");
  EXPECT_EQ(resolver_config(root(), false).text, "nameserver 10.9.9.9\n");
  EXPECT_EQ(resolver_config(root(), true).text, "nameserver 127.0.0.53\nnameserver ::1\n");
}

TEST_F(Resolver, IsKeptWithAWarningWhenThereIsNoOther) {
  host_has("nameserver 127.0.0.1\n");
  EXPECT_EQ(resolver_config(root(), false).text, "nameserver 127.0.0.1\n");
  EXPECT_THAT(resolver_config(root(), false).warning, HasSubstr("loopback"));
  EXPECT_EQ(resolver_config(root(), true).warning, "");
}

TEST_F(Resolver, IsEmptyWhenTheHostHasNone) {
  EXPECT_EQ(resolver_config(root(), false).text, "");
  EXPECT_EQ(resolver_config(root(), false).warning, "");
}

TEST(Hosts, HaveTheHostNameAndWhatWasAdded) {
  EXPECT_EQ(
      hosts_file("box", {"a:1.2.3.4", "b:fd00::2", "c:[fd00::3]", "d:host-gateway"}, "9.9.9.9"),
      "127.0.0.1\tlocalhost box\n::1\tlocalhost ip6-localhost ip6-loopback\n"
      "1.2.3.4\ta\nfd00::2\tb\nfd00::3\tc\n9.9.9.9\td\n");
}

TEST(Hosts, RefuseWhatIsNoNameAndAddress) {
  for (const char* entry : {"", "a", "a:", ":1.2.3.4", "a:b", "a b:1.2.3.4", "a\nb:1.2.3.4",
                            "a:1.2.3.4\nb", "#a:1.2.3.4"}) {
    EXPECT_THROW(static_cast<void>(hosts_file("box", {entry}, "127.0.0.1")), Error) << entry;
  }
}

}  // namespace
}  // namespace kiln::sandbox
