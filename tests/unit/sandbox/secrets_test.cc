// Secrets of a step: seen by its command, and by nothing else.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "proto/error.h"
#include "tests/unit/sandbox/fixture.h"

namespace kiln::sandbox::test {
namespace {

constexpr const char* kValue = "hunter2-5bd0a9c4";

std::shared_ptr<const os::Secret> secret(std::string_view text) {
  return std::make_shared<const os::Secret>(text);
}

class SecretsTest : public RuntimeTest {
 protected:
  SecretMount mount(std::string target, std::uint32_t mode = 0400) const {
    return {secret(kValue), std::move(target), mode, 0, 0};
  }
};

INSTANTIATE_TEST_SUITE_P(Runtimes, SecretsTest, ::testing::Values("crun", "runc"));

TEST_P(SecretsTest, AFileHasItsValueModeAndOwner) {
  RunSpec spec = shell("cat /run/secrets/key; stat -c ' %a %u:%g' /run/secrets/key");
  SecretMount key = mount("/run/secrets/key", 0440);
  key.uid = 12;
  key.gid = 34;
  spec.mounts = {key};
  EXPECT_EQ(run(spec).out, std::string(kValue) + " 440 12:34\n");
}

TEST_P(SecretsTest, LeavesNothingInTheRootFileSystem) {
  RunSpec spec = shell("true");
  spec.mounts = {mount("/run/secrets/key")};
  EXPECT_TRUE(run(spec).status.ok());
  EXPECT_FALSE(std::filesystem::exists(rootfs() / "run"));
}

TEST_P(SecretsTest, AFileCannotBeWrittenOrExecuted) {
  RunSpec spec = shell("echo x > /key || echo refused; grep ' /key ' /proc/self/mounts");
  spec.mounts = {mount("/key", 0600)};
  const Result result = run(spec);
  EXPECT_THAT(result.out, ::testing::HasSubstr("refused"));
  for (const char* option : {"ro,", "nosuid", "nodev", "noexec"})
    EXPECT_THAT(result.out, ::testing::HasSubstr(option));
}

TEST_P(SecretsTest, AnExecutableModeMakesAFileThatCanBeExecuted) {
  RunSpec spec = shell("/key");
  spec.mounts = {SecretMount{secret("#!/bin/sh\necho it runs\n"), "/key", 0500, 0, 0}};
  EXPECT_EQ(run(spec).out, "it runs\n");
}

TEST_P(SecretsTest, AnEmptySecretIsAnEmptyFileAndAnEmptyVariable) {
  RunSpec spec = shell("cat /key; echo \"[${KEY-unset}]\"");
  spec.mounts = {SecretMount{secret(""), "/key", 0400, 0, 0}};
  spec.secret_env = {{"KEY", secret("")}};
  EXPECT_EQ(run(spec).out, "[]\n");
}

TEST_P(SecretsTest, AVariableTakesThePlaceOfOneOfTheImage) {
  RunSpec spec = shell("echo \"$KEY $OTHER\"; env | grep -c ^KEY=");
  spec.env = {"PATH=/bin", "KEY=of the image", "OTHER=stays"};
  spec.secret_env = {{"KEY", secret(kValue)}};
  EXPECT_EQ(run(spec).out, std::string(kValue) + " stays\n1\n");
}

TEST_P(SecretsTest, AVariableHasEveryCharacterThatTextCanHave) {
  const std::string text = "a\"b\\c\n\t\x01\x1f\x7f é€😀 ${HOME} {\"x\":1}";
  RunSpec spec = shell("echo \"[$KEY]\"");
  spec.secret_env = {{"KEY", secret(text)}};
  EXPECT_EQ(run(spec).out, "[" + text + "]\n");
}

TEST_P(SecretsTest, WhatIsNoTextInAVariableIsReplaced) {
  RunSpec spec = shell("echo \"$KEY\"");
  spec.secret_env = {{"KEY", secret("a\xff\xc3(\xed\xa0\x80")}};
  EXPECT_EQ(run(spec).out, "a\uFFFD\uFFFD(\uFFFD\uFFFD\uFFFD\n");
}

TEST_P(SecretsTest, AZeroByteInAVariableIsRefusedWithoutTheValue) {
  RunSpec spec = shell("true");
  spec.secret_env = {{"KEY", secret(std::string_view("hunter2\0x", 9))}};
  try {
    run(spec);
    FAIL() << "it ran";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("variable KEY has a zero byte"));
    EXPECT_THAT(error.what(), ::testing::Not(::testing::HasSubstr("hunter2")));
  }
}

/// Everything below the state directory of the disk, as another mount namespace would see it.
TEST_P(SecretsTest, NoFileOfTheDiskEverHasAValue) {
  mount_rootfs();
  open(runtime_config(scratch(), GetParam()));
  RunSpec spec = shell("sleep 0.3; echo done");
  spec.mounts = {mount("/key")};
  spec.secret_env = {{"KEY", secret(kValue)}};
  // A plain bind shows the disk below what is mounted on its directories.
  const auto below = scratch() / "below";
  std::filesystem::create_directory(below);
  const os::Mount disk = os::mount_bind(scratch() / "state", below, true);
  std::atomic<bool> ended = false;
  std::atomic<bool> found = false;
  std::atomic<int> bundles = 0;
  std::thread watcher([&] {
    while (!ended) {
      std::error_code error;
      for (std::filesystem::recursive_directory_iterator entry(below, error), end; entry != end;
           entry.increment(error)) {
        if (error) break;
        if (entry->path().parent_path().filename() == "bundles") ++bundles;
        if (!entry->is_regular_file(error)) continue;
        try {
          if (os::read_file(entry->path(), 1 << 20).contains(kValue)) found = true;
        } catch (const Error&) {
          continue;  // gone meanwhile
        }
      }
    }
  });
  const Result result = run(spec);
  ended = true;
  watcher.join();
  EXPECT_EQ(result.out, "done\n");
  EXPECT_GT(bundles, 0) << "the watcher saw the step's directory";
  EXPECT_FALSE(found);
}

}  // namespace
}  // namespace kiln::sandbox::test
