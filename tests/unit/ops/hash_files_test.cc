#include "builder/ops/hash_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "builder/os/file.h"
#include "tests/support/run_async.h"
#include "tests/support/scratch.h"

namespace kiln::ops {
namespace {

class HashFilesTest : public testing::Test {
 protected:
  void list(os::Peer peer = {}) {
    tree_ = {&root_, std::move(peer), "the context"};
    const Exclusion none{[](std::string_view) { return false; },
                         [](std::string_view) { return false; }};
    sources_ = select_source(tree_, "", {}, none, {});
    files_ = regular_files(sources_);
    files_.digests.resize(files_.entries.size());
  }
  std::vector<std::size_t> hash() { return test::run_async(hash_files(tree_, files_, pool_)); }
  Errc code_of_failure() {
    try {
      hash();
    } catch (const Error& error) {
      message_ = error.what();
      return error.code();
    }
    return Errc::internal;
  }

  test::Scratch scratch_;
  os::Dir root_ = os::Dir::open(scratch_.path());
  SourceTree tree_;
  std::vector<SelectedSource> sources_;
  SelectedFiles files_;
  boost::asio::thread_pool pool_{2};
  std::string message_;
};

/// Writes files of sizes on both sides of every limit; returns their contents by path.
std::map<std::string, std::string> write_sizes(const test::Scratch& scratch) {
  std::map<std::string, std::string> contents;
  for (const std::size_t size :
       {0U, 1U, 4095U, 4096U, 262142U, 262143U, 262144U, 262145U, 3000000U}) {
    std::string text(size, ' ');
    for (std::size_t i = 0; i < size; ++i)
      text[i] = static_cast<char>(i * 31 + size);
    const std::string path = fmt::format("d{}/f", size);
    scratch.write(path, text);
    contents.emplace(path, std::move(text));
  }
  return contents;
}

TEST_F(HashFilesTest, GivesFilesOfEverySizeTheDigestOfTheirBytes) {
  const auto contents = write_sizes(scratch_);
  list();
  EXPECT_EQ(hash().size(), contents.size());
  for (std::size_t i = 0; i < files_.entries.size(); ++i)
    EXPECT_EQ(files_.digests[i], sha256(contents.at(files_.entries[i]->path)));
}

TEST_F(HashFilesTest, ReadsWhatIsNotInMemory) {
  const auto contents = write_sizes(scratch_);
  for (const auto& [path, text] : contents) {
    const os::Fd file = os::open_file(scratch_ / path, O_RDONLY);
    ASSERT_EQ(::fsync(file.get()), 0);
    ASSERT_EQ(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED), 0);
  }
  list();
  hash();
  for (std::size_t i = 0; i < files_.entries.size(); ++i)
    EXPECT_EQ(files_.digests[i], sha256(contents.at(files_.entries[i]->path)));
}

TEST_F(HashFilesTest, HashesMoreFilesThanItOpensAtATime) {
  for (int i = 0; i < 2000; ++i)
    scratch_.write(fmt::format("d{}/{}", i % 7, i), std::to_string(i));
  list();
  EXPECT_EQ(hash().size(), 2000U);
  for (std::size_t i = 0; i < files_.entries.size(); ++i) {
    const std::string& path = files_.entries[i]->path;
    ASSERT_EQ(files_.digests[i], sha256(path.substr(path.find('/') + 1)));
  }
}

TEST_F(HashFilesTest, ReadsOnlyFilesWithoutADigest) {
  scratch_.write("a", "A");
  scratch_.write("b", "B");
  list();
  files_.digests[0] = sha256("known");
  EXPECT_EQ(hash(), std::vector<std::size_t>{1});
  EXPECT_EQ(files_.digests[0], sha256("known"));
  EXPECT_EQ(files_.digests[1], sha256("B"));
}

TEST_F(HashFilesTest, AttributesCount) {
  const auto file = scratch_.write("a", "A");
  if (::setxattr(file.c_str(), "user.kiln", "x", 1, 0) != 0) GTEST_SKIP() << "no user.* attributes";
  list();
  hash();
  EXPECT_EQ(files_.digests[0], with_xattrs(sha256("A"), {{"user.kiln", "x"}}));
  EXPECT_NE(files_.digests[0], sha256("A"));
}

TEST_F(HashFilesTest, SaysWhichFilesAreOpenForWriting) {
  scratch_.write("d/a", "A");
  const auto file = scratch_.write("d/b", "B");
  list();
  const os::Fd writer = os::open_file(file, O_RDWR);
  hash();
  EXPECT_EQ(files_.being_written, std::vector<std::size_t>{1});
}

TEST_F(HashFilesTest, NoticesFilesThatChangedSinceTheyWereListed) {
  scratch_.write("d/a", "A");
  scratch_.write("d/b", "B");
  list();
  scratch_.write("d/b", "longer");
  EXPECT_EQ(code_of_failure(), Errc::unavailable);
  EXPECT_EQ(
      message_,
      "\"d/b\" changed while the build was reading it; build again when nothing writes to it");
}

TEST_F(HashFilesTest, APipeInTheFilesPlaceIsAChange) {
  const auto file = scratch_.write("d/a", "A");
  list();
  std::filesystem::remove(file);
  ASSERT_EQ(::mkfifo(file.c_str(), 0644), 0);
  EXPECT_EQ(code_of_failure(), Errc::unavailable);
}

TEST_F(HashFilesTest, LinksThatAppearAreNotFollowed) {
  scratch_.write("d/a", "A");
  list();
  std::filesystem::rename(scratch_ / "d", scratch_ / "e");
  std::filesystem::create_directory_symlink("e", scratch_ / "d");
  EXPECT_EQ(code_of_failure(), Errc::denied);
  std::filesystem::remove(scratch_ / "d");
  std::filesystem::create_directory(scratch_ / "d");
  std::filesystem::create_symlink("../e/a", scratch_ / "d/a");
  EXPECT_EQ(code_of_failure(), Errc::denied);
}

TEST_F(HashFilesTest, ReadsWithTheRightsOfThePeer) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root acts for others";
  const auto secret = scratch_.write("d/a", "A");
  scratch_.write("d/b", "B");
  ::chmod(secret.c_str(), 0600);
  ::chmod(scratch_.path().c_str(), 0755);
  list({65534, 65534, {}});
  EXPECT_EQ(code_of_failure(), Errc::denied);
  EXPECT_EQ(message_, "read \"d/a\" in the context: open d/a: Permission denied");
}

}  // namespace
}  // namespace kiln::ops
