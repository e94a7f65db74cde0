#include "builder/ops/copy_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/support/scratch.h"

namespace kiln::ops {
namespace {

using test::content_of;
using test::status_of;

constexpr std::int64_t kMade = 1'000'000'000;

class CopyTreeTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "setting owners needs root";
    scratch_.make_directory("from");
    scratch_.make_directory("to");
  }

  void copy(const std::string& source,
            const std::string& destination,
            const CopyOptions& options = {},
            const SourceFilter& filter = {}) {
    const os::Dir from = os::Dir::open(scratch_ / "from");
    const os::Dir to = os::Dir::open(scratch_ / "to");
    const SourceTree tree{&from, {}, "the context"};
    const Exclusion none{[](std::string_view) { return false; },
                         [](std::string_view) { return false; }};
    Destination target(to, kMade);
    for (const SelectedSource& found : select_source(tree, source, filter, none, {})) {
      copy_tree(tree, found, target, destination, options, {});
    }
    target.restore_times();
  }

  [[nodiscard]] std::filesystem::path to(std::string_view name) const {
    return scratch_ / "to" / name;
  }
  test::Scratch scratch_;
};

TEST_F(CopyTreeTest, AFileGoesToItsNameOrIntoADirectory) {
  scratch_.write("from/a", "A");
  scratch_.make_directory("to/existing");
  copy("a", "/renamed");
  copy("a", "/existing");
  copy("a", "/made/");
  EXPECT_EQ(content_of(to("renamed")), "A");
  EXPECT_EQ(content_of(to("existing/a")), "A");
  EXPECT_EQ(content_of(to("made/a")), "A");
}

TEST_F(CopyTreeTest, ADirectoryGivesItsContents) {
  scratch_.write("from/d/x/y", "Y");
  copy("d", "/target");
  EXPECT_EQ(content_of(to("target/x/y")), "Y");
}

TEST_F(CopyTreeTest, MadeDirectoriesAreRootsOfTheMadeTime) {
  scratch_.write("from/a", "A");
  copy("a", "/x/y/a");
  const struct stat made = status_of(to("x/y"));
  EXPECT_EQ(made.st_mode & 07777U, 0755U);
  EXPECT_EQ(made.st_mtim.tv_sec, kMade);
  EXPECT_EQ(status_of(to("x")).st_mtim.tv_sec, kMade);
}

TEST_F(CopyTreeTest, ADirectoryThatOnlyGetsEntriesKeepsItsTime) {
  scratch_.write("from/a", "A");
  scratch_.make_directory("to/old");
  const timespec times[2] = {{500, 0}, {500, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, to("old").c_str(), times, 0), 0);
  copy("a", "/old/");
  EXPECT_EQ(status_of(to("old")).st_mtim.tv_sec, 500);
}

TEST_F(CopyTreeTest, KeepsModesTimesLinksAndAttributes) {
  const auto file = scratch_.write("from/d/tool", "#!");
  ::chmod(file.c_str(), 04751);
  const timespec times[2] = {{1234, 5}, {1234, 5}};
  ::utimensat(AT_FDCWD, file.c_str(), times, 0);
  const bool has_xattrs = ::setxattr(file.c_str(), "user.note", "hi", 2, 0) == 0;
  std::filesystem::create_hard_link(file, scratch_ / "from/d/same");
  std::filesystem::create_symlink("/nowhere", scratch_ / "from/d/link");
  copy("d", "/d");
  const struct stat copied = status_of(to("d/tool"));
  EXPECT_EQ(copied.st_mode & 07777U, 04751U);
  EXPECT_EQ(copied.st_mtim.tv_sec, 1234);
  EXPECT_EQ(copied.st_ino, status_of(to("d/same")).st_ino);
  EXPECT_EQ(std::filesystem::read_symlink(to("d/link")), "/nowhere");
  char value[8];
  if (has_xattrs) EXPECT_EQ(::getxattr(to("d/tool").c_str(), "user.note", value, sizeof value), 2);
}

TEST_F(CopyTreeTest, SetsOwnerAndModeOnEverythingItCopies) {
  scratch_.write("from/d/sub/a", "A");
  CopyOptions options;
  options.owner = OwnerIds{12, 34};
  options.mode = graph::ModeChange::parse("u=rwX,go=");
  copy("d", "/new/place", options);
  EXPECT_EQ(status_of(to("new")).st_uid, 12U);
  EXPECT_EQ(status_of(to("new/place/sub")).st_gid, 34U);
  EXPECT_EQ(status_of(to("new/place/sub")).st_mode & 07777U, 0700U);
  EXPECT_EQ(status_of(to("new/place/sub/a")).st_mode & 07777U, 0600U);
}

TEST_F(CopyTreeTest, FollowsLinksOfTheDestinationInsideTheRoot) {
  scratch_.write("from/a", "A");
  scratch_.make_directory("to/usr/lib");
  std::filesystem::create_symlink("usr/lib", to("lib"));
  std::filesystem::create_symlink("/usr/lib", to("absolute"));
  std::filesystem::create_symlink("../../../../../..", to("up"));
  copy("a", "/lib/");
  copy("a", "/absolute/b");
  copy("a", "/up/c");
  EXPECT_EQ(content_of(to("usr/lib/a")), "A");
  EXPECT_EQ(content_of(to("usr/lib/b")), "A");
  EXPECT_EQ(content_of(to("c")), "A");
}

TEST_F(CopyTreeTest, ALinkThatIsTheDestinationLeadsToTheFileThatIsReplaced) {
  scratch_.write("from/a", "new");
  scratch_.write("to/real/old", "old");
  std::filesystem::create_symlink("/real/old", to("link"));
  std::filesystem::create_symlink("made/x", to("dangling"));
  copy("a", "/link");
  copy("a", "/dangling");
  EXPECT_TRUE(std::filesystem::is_symlink(to("link")));
  EXPECT_EQ(content_of(to("real/old")), "new");
  EXPECT_EQ(content_of(to("made/x")), "new");
  std::filesystem::create_symlink("/gone/far", to("nowhere"));
  copy("a", "/nowhere/b");
  EXPECT_EQ(content_of(to("gone/far/b")), "new");
  std::filesystem::create_symlink("loop2", to("loop1"));
  std::filesystem::create_symlink("loop1", to("loop2"));
  EXPECT_THROW(copy("a", "/loop1/x"), Error);
}

TEST_F(CopyTreeTest, MadeDirectoriesHaveAModeOfTheirOwn) {
  scratch_.write("from/a", "A");
  scratch_.write("from/d/x", "X");
  scratch_.make_directory("to/old");
  CopyOptions octal;
  octal.mode = graph::ModeChange::parse("4750");
  octal.made_directory_mode = octal.mode->made_directory_mode();
  copy("a", "/made/on/the/way", octal);
  copy("d", "/new", octal);
  copy("d", "/old", octal);
  EXPECT_EQ(status_of(to("made/on/the")).st_mode & 07777U, 0750U);
  EXPECT_EQ(status_of(to("new")).st_mode & 07777U, 0750U);
  EXPECT_EQ(status_of(to("new/x")).st_mode & 07777U, 04750U);
  EXPECT_EQ(status_of(to("old")).st_mode & 07777U, 0755U);
  CopyOptions symbolic;
  symbolic.mode = graph::ModeChange::parse("go-rx");
  copy("a", "/other/a", symbolic);
  EXPECT_EQ(status_of(to("other")).st_mode & 07777U, 0755U);
}

TEST_F(CopyTreeTest, ASocketBecomesAnEmptyFile) {
  scratch_.make_directory("from/d");
  ASSERT_EQ(::mknod((scratch_ / "from/d/s").c_str(), S_IFSOCK | 0640, 0), 0);
  copy("d", "/d");
  const struct stat status = status_of(to("d/s"));
  EXPECT_EQ(status.st_mode, S_IFREG | 0640U);
  EXPECT_EQ(status.st_size, 0);
}

TEST_F(CopyTreeTest, ADirectoryOnTheWayGivesItsModeOnly) {
  scratch_.write("from/a/b/file", "F");
  ::chmod((scratch_ / "from/a").c_str(), 0711);
  ASSERT_EQ(::chown((scratch_ / "from/a").c_str(), 5, 6), 0);
  scratch_.make_directory("to/x/a");
  const SourceFilter parents{graph::PatternList(), true, false};
  CopyOptions keep;
  keep.keep_owner = true;
  copy("/./a/b/file", "/x", keep, parents);
  copy("/./a/b/file", "/y", keep, parents);
  EXPECT_EQ(content_of(to("x/a/b/file")), "F");
  EXPECT_EQ(status_of(to("x/a")).st_mode & 07777U, 0711U);
  EXPECT_EQ(status_of(to("x/a")).st_uid, 0U);
  EXPECT_EQ(status_of(to("y/a")).st_mode & 07777U, 0711U);
  EXPECT_EQ(status_of(to("y/a")).st_uid, 5U);
}

TEST_F(CopyTreeTest, AFileReplacesALinkBelowTheDestination) {
  scratch_.write("from/d/name", "new");
  scratch_.write("outside", "untouched");
  scratch_.make_directory("to/d");
  std::filesystem::create_symlink(scratch_ / "outside", to("d/name"));
  copy("d", "/d");
  EXPECT_EQ(content_of(to("d/name")), "new");
  EXPECT_FALSE(std::filesystem::is_symlink(to("d/name")));
  EXPECT_EQ(content_of(scratch_ / "outside"), "untouched");
}

TEST_F(CopyTreeTest, ADirectoryOverALinkOrFileIsAnError) {
  scratch_.write("from/d/sub/a", "A");
  scratch_.make_directory("to/d");
  std::filesystem::create_symlink("/", to("d/sub"));
  EXPECT_THROW(copy("d", "/d"), Error);
  scratch_.write("from/plain", "");
  scratch_.make_directory("to/dir/plain");
  EXPECT_THROW(copy("plain", "/dir/"), Error);
}

}  // namespace
}  // namespace kiln::ops
