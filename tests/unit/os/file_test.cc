#include "builder/os/file.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <thread>

#include "proto/error.h"

namespace kiln::os {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class FileTest : public testing::Test {
 protected:
  TempDir scratch_{fs::temp_directory_path(), "kiln-file-test"};
  [[nodiscard]] fs::path path(const char* name) const { return scratch_.path() / name; }
};

TEST_F(FileTest, WhatWasWrittenIsRead) {
  write_file(path("a"), "text");
  EXPECT_EQ(read_file(path("a"), 100), "text");
  write_file(path("a"), "x");
  EXPECT_EQ(read_file(path("a"), 100), "x");
}

TEST_F(FileTest, TheLimitIsTheLastSizeThatIsRead) {
  write_file(path("a"), std::string(20'000, 'x'));
  EXPECT_EQ(read_file(path("a"), 20'000).size(), 20'000U);
  try {
    (void)read_file(path("a"), 19'999);
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::invalid_input);
    EXPECT_THAT(error.what(), HasSubstr(path("a").string()));
  }
}

TEST_F(FileTest, ErrorsNameThePath) {
  try {
    (void)read_file(path("missing"), 1);
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::not_found);
    EXPECT_THAT(error.what(), HasSubstr(path("missing").string()));
  }
}

TEST_F(FileTest, AllOfALongWriteArrivesThroughAPipe) {
  Pipe pipe = make_pipe();
  const std::string text(1'000'000, 'x');
  std::thread writer([&] {
    write_all(pipe.write_end.get(), as_bytes(text), "pipe");
    ::close(pipe.write_end.release());
  });
  FileSource source(std::move(pipe.read_end), "pipe");
  StringSink sink(2'000'000);
  EXPECT_EQ(copy(source, sink), text.size());
  writer.join();
}

TEST_F(FileTest, ATempDirIsGoneWithAllItHolds) {
  fs::path made;
  {
    const TempDir temp(scratch_.path(), "work");
    made = temp.path();
    EXPECT_THAT(made.filename().string(), testing::StartsWith("work."));
    EXPECT_EQ(fs::status(made).permissions(), fs::perms::owner_all);
    fs::create_directories(made / "a" / "b");
    write_file(made / "a" / "b" / "c", "x");
  }
  EXPECT_FALSE(fs::exists(made));
}

TEST_F(FileTest, AMovedTempDirIsRemovedOnce) {
  TempDir first(scratch_.path(), "work");
  const fs::path made = first.path();
  {
    const TempDir second = std::move(first);
    EXPECT_TRUE(fs::exists(made));
  }
  EXPECT_FALSE(fs::exists(made));
}

TEST_F(FileTest, ALockIsHeldByOneAndNamesItsOwner) {
  {
    const auto lock = FileLock::try_acquire(path("lock"));
    ASSERT_TRUE(lock);
    EXPECT_EQ(read_file(path("lock"), 100), std::to_string(::getpid()) + "\n");
    EXPECT_FALSE(FileLock::try_acquire(path("lock")));
  }
  EXPECT_TRUE(FileLock::try_acquire(path("lock")));
}

TEST_F(FileTest, SubdirectoriesAreSpreadWhereTheFileSystemCan) {
  struct statfs kind{};
  ASSERT_EQ(::statfs(scratch_.path().c_str(), &kind), 0);
  const bool taken = spread_subdirectories(scratch_.path());
  if (kind.f_type == EXT4_SUPER_MAGIC) EXPECT_TRUE(taken);
  if (!taken) GTEST_SKIP() << "the file system takes no such hint";
  const Fd fd = open_file(scratch_.path(), O_RDONLY | O_DIRECTORY);
  int flags = 0;
  ASSERT_EQ(::ioctl(fd.get(), FS_IOC_GETFLAGS, &flags), 0);
  EXPECT_TRUE(flags & FS_TOPDIR_FL);
}

TEST_F(FileTest, SpreadingIsOnlyAHint) {
  EXPECT_FALSE(spread_subdirectories("/proc"));
}

TEST(ToRfc3339, WritesTheFractionOnlyWhenThereIsOne) {
  EXPECT_EQ(to_rfc3339(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(to_rfc3339(1'767'312'245'123'456'789), "2026-01-02T00:04:05.123456789Z");
  EXPECT_EQ(to_rfc3339(1'767'312'245'120'000'000), "2026-01-02T00:04:05.12Z");
  EXPECT_EQ(to_rfc3339(-1), "1969-12-31T23:59:59.999999999Z");
}

}  // namespace
}  // namespace kiln::os
