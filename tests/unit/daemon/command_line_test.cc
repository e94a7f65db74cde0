#include "daemon/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::daemon {
namespace {

using testing::ElementsAre;

ParsedCommandLine parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "kilnd");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

TEST(CommandLine, FlagsWinOverTheFile) {
  const os::TempDir directory(std::filesystem::temp_directory_path(), "command_line_test");
  const std::string file = directory.path() / "kilnd.toml";
  os::write_file(file, "root = \"/file\"\nlisten = [\"unix:///f\"]\n[log]\nlevel = \"error\"\n");

  const Config from_file = parse({"--config", file.c_str()}).command.config;
  EXPECT_EQ(from_file.root, "/file");
  EXPECT_EQ(from_file.log.level, LogLevel::error);

  const auto parsed =
      parse({"--config", file.c_str(), "--root", "/flag", "--listen", "unix:///1", "--listen",
             "unix:///2", "--log-level", "debug", "--idle-exit", "30", "--show-config"});
  EXPECT_FALSE(parsed.exit_code);
  EXPECT_TRUE(parsed.command.show_config);
  const Config& config = parsed.command.config;
  EXPECT_EQ(config.root, "/flag");
  EXPECT_THAT(config.listen, ElementsAre("unix:///1", "unix:///2"));
  EXPECT_EQ(config.log.level, LogLevel::debug);
  EXPECT_EQ(config.idle_exit, std::chrono::seconds{30});
  EXPECT_EQ(config.origins.at("root"), "--root");
}

TEST(CommandLine, NeedsTheFileThatItNames) {
  try {
    static_cast<void>(parse({"--config", "/does/not/exist.toml"}));
    ADD_FAILURE() << "a missing file was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::not_found);
    EXPECT_THAT(error.what(), testing::HasSubstr("/does/not/exist.toml"));
  }
}

TEST(CommandLine, RefusesMisuseWithExitCode2) {
  EXPECT_EQ(parse({"--nonsense"}).exit_code, 2);
  EXPECT_EQ(parse({"stray"}).exit_code, 2);
  EXPECT_EQ(parse({"--idle-exit", "-1"}).exit_code, 2);
  EXPECT_THROW(static_cast<void>(parse({"--listen", "tcp://x"})), Error);
  EXPECT_THROW(static_cast<void>(parse({"--log-level", "loud"})), Error);
}

TEST(CommandLine, PrintsItsVersion) {
  testing::internal::CaptureStdout();
  EXPECT_EQ(parse({"--version"}).exit_code, 0);
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "kilnd " + version() + "\n");
}

}  // namespace
}  // namespace kiln::daemon
