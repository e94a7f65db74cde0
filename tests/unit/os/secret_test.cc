#include "builder/os/secret.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "builder/os/fd.h"
#include "builder/os/file.h"
#include "tests/support/scratch.h"

namespace kiln::os {
namespace {

constexpr std::size_t kLimit = 8;

Secret read_text(const test::Scratch& scratch, std::string_view text) {
  const Fd file = open_file(scratch.write("file", text), O_RDONLY);
  return Secret::read(file.get(), "secret x", kLimit);
}

TEST(Secret, HoldsTheBytesOfAFileUpToTheLimit) {
  const test::Scratch scratch;
  EXPECT_EQ(read_text(scratch, std::string_view("a\0b\xff", 4)).view(),
            std::string_view("a\0b\xff", 4));
  EXPECT_EQ(read_text(scratch, "12345678").view(), "12345678");
  EXPECT_EQ(read_text(scratch, "").view(), "");
}

TEST(Secret, IsReadFromTheBeginningWhateverTheOffset) {
  const test::Scratch scratch;
  const Fd file = open_file(scratch.write("file", "hunter2"), O_RDONLY);
  char byte = 0;
  ASSERT_EQ(::read(file.get(), &byte, 1), 1);
  EXPECT_EQ(Secret::read(file.get(), "secret x", kLimit).view(), "hunter2");
}

TEST(Secret, OverTheLimitIsRefusedWithoutSayingWhatItIs) {
  const test::Scratch scratch;
  const Fd file = open_file(scratch.write("file", "hunter2hunter2"), O_RDONLY);
  try {
    (void)Secret::read(file.get(), "secret x", kLimit);
    FAIL() << "read";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::invalid_input);
    EXPECT_STREQ(error.what(), "secret x: over the limit of 0 KiB");
  }
}

TEST(Secret, APipeIsRefusedInsteadOfWaitedFor) {
  const Pipe pipe = make_pipe();
  EXPECT_THROW((void)Secret::read(pipe.read_end.get(), "secret x", kLimit), Error);
}

TEST(Secret, MovesWithItsBytes) {
  Secret first("abc");
  Secret second(std::move(first));
  EXPECT_EQ(second.view(), "abc");
  first = std::move(second);
  EXPECT_EQ(first.view(), "abc");
}

/// Pages with VM_DONTDUMP are "dd" in smaps.
TEST(Secret, IsKeptOutOfCoreDumps) {
  const Secret secret("hunter2");
  const std::string begin =
      fmt::format("{:x}-", reinterpret_cast<std::uintptr_t>(secret.view().data()));
  const std::string maps = read_file("/proc/self/smaps", 1 << 24);
  std::size_t area = maps.find("\n" + begin);
  ASSERT_NE(area, std::string::npos) << "the secret begins an area of its own";
  const std::size_t flags = maps.find("VmFlags:", area);
  EXPECT_TRUE(maps.substr(flags, maps.find('\n', flags) - flags).contains(" dd"));
}

TEST(Wipe, EmptiesAText) {
  std::string text = "hunter2 and more than a small string holds";
  const char* const bytes = text.data();
  wipe(text);
  EXPECT_EQ(text, "");
  EXPECT_EQ(bytes[0], '\0');
  EXPECT_EQ(bytes[10], '\0');
}

}  // namespace
}  // namespace kiln::os
