#include "builder/os/dir.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::os {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

class DirTest : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(scratch_.path() / "root" / "sub");
    write_file(scratch_.path() / "outside", "secret");
    write_file(scratch_.path() / "root" / "file", "inside");
    write_file(scratch_.path() / "root" / "outside", "decoy");
    link("../outside", "up");
    link("/outside", "absolute");
    link("sub/../file", "sideways");
    link("/proc/self/root", "magic");
    link("loop", "loop");
  }
  void link(const char* target, const char* name) {
    fs::create_symlink(target, scratch_.path() / "root" / name);
  }
  [[nodiscard]] Dir root() const { return Dir::open(scratch_.path() / "root"); }
  [[nodiscard]] std::string read(std::string_view name, Links links) const {
    return read_all(root().open_at(name, O_RDONLY, links).get(), name, 100);
  }
  void expect_denied(std::string_view name, Links links) const {
    try {
      (void)read(name, links);
      FAIL() << name << " was opened";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::denied) << error.what();
      EXPECT_THAT(error.what(), testing::HasSubstr(name));
    }
  }

  TempDir scratch_{fs::temp_directory_path(), "kiln-dir-test"};
};

TEST_F(DirTest, NamesBeneathTheRootAreOpened) {
  for (const Links links : {Links::beneath, Links::in_root, Links::refuse}) {
    EXPECT_EQ(read("file", links), "inside");
    EXPECT_EQ(read("sub/../file", links), "inside");
    EXPECT_EQ(read("./sub/.././file", links), "inside");
  }
}

TEST_F(DirTest, DotsDoNotLeaveTheRoot) {
  expect_denied("../outside", Links::beneath);
  expect_denied("sub/../../outside", Links::beneath);
  expect_denied("../outside", Links::refuse);
  EXPECT_EQ(read("../outside", Links::in_root), "decoy");  // as in a chroot, ".." of / is /
  EXPECT_EQ(read("sub/../../../outside", Links::in_root), "decoy");
}

TEST_F(DirTest, LinksDoNotLeaveTheRoot) {
  expect_denied("up", Links::beneath);
  expect_denied("absolute", Links::beneath);
  EXPECT_EQ(read("up", Links::in_root), "decoy");
  EXPECT_EQ(read("absolute", Links::in_root), "decoy");
  EXPECT_EQ(read("sideways", Links::beneath), "inside");
}

TEST_F(DirTest, NoLinkIsFollowedWhereLinksAreRefused) {
  for (const char* name : {"up", "absolute", "sideways"})
    expect_denied(name, Links::refuse);
}

TEST_F(DirTest, AnAbsoluteNameIsOfTheRoot) {
  expect_denied((scratch_.path() / "outside").string(), Links::beneath);
  EXPECT_EQ(read("/outside", Links::in_root), "decoy");
}

TEST_F(DirTest, MagicLinksAreNotFollowed) {
  const Dir proc = Dir::open("/proc/self");
  for (const Links links : {Links::beneath, Links::in_root, Links::refuse})
    EXPECT_THROW((void)proc.open_at("root/etc", O_RDONLY, links), Error);
}

TEST_F(DirTest, LoopsOfLinksAreDenied) {
  expect_denied("loop", Links::beneath);
  expect_denied("loop", Links::in_root);
}

TEST_F(DirTest, ANameWithAZeroByteIsDenied) {
  EXPECT_THROW((void)root().open_at(std::string_view("file\0x", 6), O_RDONLY, Links::beneath),
               Error);
}

TEST_F(DirTest, MissingIsNulloptAndEscapingIsNot) {
  EXPECT_FALSE(root().try_open_at("nothing", O_RDONLY, Links::beneath));
  EXPECT_FALSE(root().try_open_at("file/below", O_RDONLY, Links::beneath));
  EXPECT_THROW((void)root().try_open_at("up", O_RDONLY, Links::beneath), Error);
}

TEST_F(DirTest, TheEmptyNameIsTheRoot) {
  EXPECT_EQ(root().open_dir("", Links::refuse).entries().size(), root().entries().size());
}

TEST_F(DirTest, FilesAreMadeWithTheirMode) {
  const ::mode_t old = ::umask(0);
  const Fd fd = root().open_at("new", O_WRONLY | O_CREAT | O_EXCL, Links::refuse, 0751);
  ::umask(old);
  struct stat status{};
  ASSERT_EQ(::fstat(fd.get(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0751U);
  EXPECT_THROW((void)root().open_at("../new", O_WRONLY | O_CREAT, Links::refuse, 0600), Error);
  EXPECT_FALSE(fs::exists(scratch_.path() / "new"));
}

TEST_F(DirTest, ADirectoryCanBeOpenedWithAModeThatNobodyNeeds) {
  EXPECT_TRUE(root().open_at("sub", O_RDONLY | O_DIRECTORY, Links::refuse, 0700));
}

TEST_F(DirTest, EntriesAreSortedBytewiseWithoutDots) {
  const fs::path many = scratch_.path() / "many";
  fs::create_directories(many);
  for (const char* name : {"b", "a", "B", ".hidden", "\xff", "a.b", "a-b"})
    write_file(many / name, "");
  std::vector<std::string> names;
  for (const DirEntry& entry : Dir::open(many).entries())
    names.push_back(entry.name);
  EXPECT_THAT(names, ElementsAre(".hidden", "B", "a", "a-b", "a.b", "b", "\xff"));
}

TEST_F(DirTest, ThousandsOfEntriesAreAllListedTwice) {
  const fs::path many = scratch_.path() / "many";
  fs::create_directories(many);
  for (int i = 0; i < 1500; ++i)
    write_file(many / (std::string(100, 'n') + std::to_string(i)), "");
  const Dir dir = Dir::open(many);
  EXPECT_EQ(dir.entries().size(), 1500U);
  EXPECT_EQ(dir.entries().size(), 1500U);
}

TEST_F(DirTest, AFileIsNoDirectory) {
  EXPECT_THROW((void)Dir(open_file(scratch_.path() / "outside", O_RDONLY)), Error);
}

TEST_F(DirTest, ALinkIsReadAndNotFollowed) {
  EXPECT_EQ(read_link(root().fd(), "up"), "../outside");
  EXPECT_THROW((void)read_link(root().fd(), "file"), Error);
}

TEST(SplitPath, DropsWhatMeansNothingAndKeepsDotDot) {
  EXPECT_THAT(split_path("a//b/./c"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(split_path("/a/../b/"), ElementsAre("a", "..", "b"));
  EXPECT_THAT(split_path(""), IsEmpty());
  EXPECT_THAT(split_path("/./"), IsEmpty());
}

}  // namespace
}  // namespace kiln::os
