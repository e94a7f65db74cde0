#include "builder/ops/context.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "builder/store/store.h"
#include "tests/support/run_async.h"
#include "tests/support/scratch.h"

namespace kiln::ops {
namespace {

class ContextTest : public testing::Test {
 protected:
  std::string digest(const std::string& include = "",
                     const std::vector<std::string>& exclude = {},
                     const std::vector<std::string>& source_exclude = {},
                     const os::Peer& peer = {}) {
    const auto directory = std::make_shared<const ClientDirectory>(
        os::Dir::open(scratch_ / "context"), peer, "the build context");
    ContextSelection selection = select_context(
        directory, {"context", {include}, exclude, source_exclude, false, false}, {});
    const auto parts = test::run_async(digest_context(selection, store_.database(), pool_));
    std::string text;
    for (const graph::KeyPart& part : parts)
      text += part.name + "=" + part.value + "\n";
    return text;
  }

  /// Sets both times an hour back, so that no digest is too young to be kept.
  void age(const std::filesystem::path& file) {
    const std::int64_t then = os::now_ns() / 1'000'000'000 - 3600;
    const timespec times[2] = {{then, 0}, {then, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  }

  test::Scratch scratch_;
  store::Store store_{scratch_ / "root"};
  boost::asio::thread_pool pool_{2};
};

TEST_F(ContextTest, DoesNotDependOnTimes) {
  const auto file = scratch_.write("context/a", "A");
  const std::string before = digest();
  age(file);
  EXPECT_EQ(digest(), before);
}

TEST_F(ContextTest, DependsOnBytesNamesModesAndLinks) {
  const auto file = scratch_.write("context/a", "A");
  std::filesystem::create_symlink("x", scratch_ / "context/l");
  const std::string before = digest();
  scratch_.write("context/a", "B");
  const std::string bytes = digest();
  EXPECT_NE(bytes, before);
  ::chmod(file.c_str(), 0600);
  const std::string mode = digest();
  EXPECT_NE(mode, bytes);
  std::filesystem::remove(scratch_ / "context/l");
  std::filesystem::create_symlink("y", scratch_ / "context/l");
  const std::string link = digest();
  EXPECT_NE(link, mode);
  std::filesystem::rename(file, scratch_ / "context/b");
  EXPECT_NE(digest(), link);
}

TEST_F(ContextTest, DependsOnWhatIsSelectedOnly) {
  scratch_.write("context/a", "A");
  scratch_.write("context/other", "1");
  const std::string one = digest("a");
  const std::string ignoring = digest("", {"other"});
  scratch_.write("context/other", "2");
  EXPECT_EQ(digest("a"), one);
  EXPECT_EQ(digest("", {"other"}), ignoring);
}

TEST_F(ContextTest, DoesNotDependOnWhatTheCopyExcludes) {
  scratch_.write("context/d/a", "A");
  scratch_.write("context/d/skip", "1");
  const std::string one = digest("d", {}, {"skip"});
  scratch_.write("context/d/skip", "2");
  EXPECT_EQ(digest("d", {}, {"skip"}), one);
}

TEST_F(ContextTest, NoticesAFileReplacedByOneOfEqualSizeModeAndTime) {
  const auto file = scratch_.write("context/a", "old");
  age(file);
  const std::string before = digest();
  const auto other = scratch_.write("context/new", "new");
  age(other);
  std::filesystem::rename(other, file);
  age(file);
  EXPECT_NE(digest(), before);
}

TEST_F(ContextTest, NoticesARewriteInTheSameTick) {
  const auto file = scratch_.write("context/a", "000");
  std::string last = digest();
  for (int i = 1; i < 50; ++i) {
    scratch_.write("context/a", fmt::format("{:03}", i));
    const std::string now = digest();
    ASSERT_NE(now, last) << i;
    last = now;
  }
}

TEST_F(ContextTest, KeepsDigestsOfFilesThatAreOldEnough) {
  scratch_.write("context/a", "A");
  ::usleep(50'000);  // the change time cannot be set back: let the clock pass it
  digest();
  auto count = [](store::Tables& tables) { return tables.count_file_digests(); };
  EXPECT_EQ(store_.database().run_blocking(count), 1U);
}

TEST_F(ContextTest, KeepsNoDigestOfAFileThatIsOpenForWriting) {
  const auto file = scratch_.write("context/a", "A");
  ::usleep(50'000);
  const os::Fd writer = os::open_file(file, O_RDWR);
  digest();
  auto count = [](store::Tables& tables) { return tables.count_file_digests(); };
  EXPECT_EQ(store_.database().run_blocking(count), 0U);
}

TEST_F(ContextTest, WhatAnotherReadBeforeIsNotGivenToWhoMayNotReadIt) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root acts for others";
  const os::Peer other{65534, 65534, {65533}};
  const auto file = scratch_.write("context/d/a", "A");
  ::chmod(scratch_.path().c_str(), 0755);
  ::usleep(50'000);  // the digest is kept
  const std::string digest_of_root = digest();
  EXPECT_EQ(digest("", {}, {}, other), digest_of_root);
  ASSERT_EQ(::chmod(file.c_str(), 0600), 0);
  ::usleep(50'000);
  digest();
  EXPECT_THROW(digest("", {}, {}, other), Error);
  // Others may read it, but not this group.
  ASSERT_EQ(::chown(file.c_str(), 0, 65533), 0);
  ASSERT_EQ(::chmod(file.c_str(), 0604), 0);
  ::usleep(50'000);
  digest();
  EXPECT_THROW(digest("", {}, {}, other), Error);
}

}  // namespace
}  // namespace kiln::ops
