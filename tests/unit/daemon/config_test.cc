#include "daemon/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kEveryKey = R"(root = "/srv/kiln"
listen = ["unix:///a.sock", "unix:///b.sock"]
group = "builders"
allow = ["network.host"]
[registry."docker.io"]
mirrors = ["127.0.0.1:5000", "mirror.example/prefix"]
[registry."127.0.0.1:5000"]
http = true
insecure = true
ca = ["/etc/ca.pem"]
[gc]
max-bytes = "20GiB"
min-free = "5GB"
max-age = "14d"
[run]
runtime = "runc"
network = "host"
max-parallelism = 3
max-builds = 7
[debug]
keep-seconds = 60
keep-steps = 2
[log]
level = "debug"
)";

void expect_error(std::string_view toml, std::string_view message) {
  try {
    static_cast<void>(parse_config(toml, "kilnd.toml"));
    ADD_FAILURE() << "accepted: " << toml;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::invalid_input);
    EXPECT_THAT(error.what(), HasSubstr(message));
  }
}

TEST(ParseConfig, ReadsEveryKey) {
  const Config config = parse_config(kEveryKey, "kilnd.toml");
  EXPECT_EQ(config.root, "/srv/kiln");
  EXPECT_THAT(config.listen, ElementsAre("unix:///a.sock", "unix:///b.sock"));
  EXPECT_EQ(config.group, "builders");
  EXPECT_THAT(config.allow, ElementsAre("network.host"));
  ASSERT_EQ(config.registries.size(), 2U);
  EXPECT_THAT(config.registries.at("docker.io").mirrors,
              ElementsAre("127.0.0.1:5000", "mirror.example/prefix"));
  EXPECT_FALSE(config.registries.at("docker.io").plain_http);
  EXPECT_TRUE(config.registries.at("127.0.0.1:5000").plain_http);
  EXPECT_TRUE(config.registries.at("127.0.0.1:5000").insecure);
  EXPECT_THAT(config.registries.at("127.0.0.1:5000").ca_files, ElementsAre("/etc/ca.pem"));
  EXPECT_EQ(config.gc.max_bytes, 20ULL << 30U);
  EXPECT_EQ(config.debug.keep_seconds, 60);
  EXPECT_EQ(config.debug.keep_steps, 2);
  EXPECT_EQ(config.gc.min_free, (DiskAmount{5'000'000'000, 0}));
  EXPECT_EQ(config.gc.max_age, std::chrono::days(14));
  EXPECT_EQ(config.run.runtime, "runc");
  EXPECT_EQ(config.run.network, "host");
  EXPECT_EQ(config.run.max_parallelism, 3);
  EXPECT_EQ(config.run.max_builds, 7);
  EXPECT_EQ(config.log.level, LogLevel::debug);
  EXPECT_EQ(config.origins.at("run.network"), "kilnd.toml:17");
}

TEST(ParseConfig, KeepsDefaultsForWhatIsMissing) {
  const Config config = parse_config("[run]\nnetwork = \"none\"\n", "f");
  EXPECT_EQ(config.root, "/var/lib/kiln");
  EXPECT_THAT(config.listen, ElementsAre("unix:///run/kiln/kiln.sock"));
  EXPECT_EQ(config.group, "kiln");
  EXPECT_EQ(config.gc.max_bytes, 100'000'000'000U);
  EXPECT_EQ(config.gc.min_free.percent, 10);
  EXPECT_EQ(config.run.network, "none");
  EXPECT_GE(max_builds(config), 16);
}

TEST(ParseConfig, NamesTheLineOfEveryMistake) {
  expect_error("root = \"/a\"\nrot = 1\n", "kilnd.toml:2: unknown key rot; here can be: allow");
  expect_error("\n\n[run]\nruntme = \"crun\"\n", "kilnd.toml:4: unknown key run.runtme");
  expect_error("[registry.\"a:1\"]\nhttps = true\n",
               "kilnd.toml:2: unknown key registry.\"a:1\".https");
  expect_error("[gc]\n[cache]\n", "kilnd.toml:2: unknown key cache");
  expect_error("root = 5\n", "kilnd.toml:1: root must be a string");
  expect_error("root = \"relative\"\n", "kilnd.toml:1: root: must be an absolute path");
  expect_error("listen = \"unix:///x\"\n", "kilnd.toml:1: listen must be an array of strings");
  expect_error("listen = [\"tcp://1:2\"]\n", "kilnd.toml:1: listen: listen address \"tcp://1:2\"");
  expect_error("allow = [\n\"network.host\",\n 1]\n", "kilnd.toml:3: allow must be an array");
  expect_error("allow = [\"root\"]\n", "\"root\" is not one of network.host");
  expect_error("run = 1\n", "kilnd.toml:1: run must be a table");
  expect_error("[run]\nmax-parallelism = -1\n",
               "kilnd.toml:2: run.max-parallelism must be a number from 0");
  expect_error("[run]\nnetwork = \"bridge\"\n",
               "kilnd.toml:2: run.network: \"bridge\" is not one of");
  expect_error("[registry.x]\nhttp = 1\n",
               "kilnd.toml:2: registry.\"x\".http must be true or false");
  expect_error("[gc]\nmax-bytes = \"lots\"\n",
               "kilnd.toml:2: gc.max-bytes: \"lots\" is not a size");
  expect_error("[gc]\nmin-free = \"100%\"\n",
               "kilnd.toml:2: gc.min-free: \"100%\" is not a percentage");
  expect_error("[gc]\nmax-age = \"soon\"\n", "kilnd.toml:2: gc.max-age: \"soon\" is not an age");
  expect_error("[log]\nlevel = \"loud\"\n", "kilnd.toml:2: log.level: log level \"loud\"");
  expect_error("root = \n", "kilnd.toml:1: ");
  expect_error("root = \"a\"\nroot = \"b\"\n", "kilnd.toml:2: ");
}

TEST(ParseSize, KnowsDecimalAndBinaryUnits) {
  EXPECT_EQ(parse_size("0"), 0U);
  EXPECT_EQ(parse_size("4096"), 4096U);
  EXPECT_EQ(parse_size("100GB"), 100'000'000'000U);
  EXPECT_EQ(parse_size("2 MiB"), 2U << 20U);
  EXPECT_EQ(parse_size("1TiB"), 1ULL << 40U);
  for (const char* wrong : {"", "GB", "-1", "1.5GB", "1gb", "1 GB ", "99999999999TB"})
    EXPECT_THROW(static_cast<void>(parse_size(wrong)), Error) << wrong;
}

TEST(ToToml, ReadsBackAsTheSameConfiguration) {
  const Config config = parse_config(kEveryKey, "kilnd.toml");
  const std::string text = to_toml(config);
  EXPECT_THAT(text, HasSubstr("network = \"host\"  # kilnd.toml:17\n"));
  Config again = parse_config(text, "kilnd.toml");
  again.origins = config.origins;
  EXPECT_EQ(to_toml(again), text);
  EXPECT_THAT(to_toml(Config{}), HasSubstr("root = \"/var/lib/kiln\"  # default\n"));
}

TEST(BuilderConfig, GetsWhatTheBuilderNeeds) {
  const BuilderConfig builder = builder_config(parse_config(kEveryKey, "f"));
  EXPECT_EQ(builder.root, "/srv/kiln");
  EXPECT_EQ(builder.runtime, "runc");
  EXPECT_EQ(builder.network, "host");
  EXPECT_EQ(builder.max_parallelism, 3);
  EXPECT_THAT(builder.allow, ElementsAre("network.host"));
  EXPECT_EQ(builder.registries.size(), 2U);
  EXPECT_EQ(builder.gc.max_bytes, 20ULL << 30U);
  EXPECT_EQ(builder.gc.min_free_bytes, 5'000'000'000U);
  EXPECT_EQ(builder.gc.min_free_percent, 0);
  EXPECT_EQ(builder.gc.max_age, std::chrono::days(14));
}

/// The example in packaging/, with every commented key switched on.
TEST(ExampleConfig, IsValidAndMentionsEveryKey) {
  const std::string file = std::string(KILN_SOURCE_DIR) + "/packaging/kilnd.toml";
  const std::string text = os::read_file(file, 1 << 20);
  EXPECT_EQ(to_toml(parse_config(text, file)), to_toml(Config{})) << "it shows the defaults";
  std::string active;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    active += line.starts_with('#') && !line.starts_with("# ") ? line.substr(1) : line;
    active += '\n';
    at = end + 1;
  }
  const Config config = parse_config(active, file);
  EXPECT_EQ(config.origins.size(), parse_config(kEveryKey, "f").origins.size());
}

}  // namespace
}  // namespace kiln::daemon
