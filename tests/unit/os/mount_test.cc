#include "builder/os/mount.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::os {
namespace {

namespace fs = std::filesystem;

class MountTest : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "mounting needs root";
    for (const char* name : {"upper", "work", "mnt"})
      fs::create_directories(scratch_.path() / name);
  }
  /// `count` directories, each with a file of its own and the file "all" that names the layer.
  std::vector<fs::path> make_lowers(int count, const fs::path& parent) {
    std::vector<fs::path> lowers;
    for (int i = 0; i < count; ++i) {
      lowers.push_back(parent / ("lower" + std::to_string(i)));
      fs::create_directories(lowers.back());
      write_file(lowers.back() / ("own" + std::to_string(i)), std::to_string(i));
      write_file(lowers.back() / "all", std::to_string(i));
    }
    return lowers;
  }
  void expect_merged(int count) {
    for (int i = 0; i < count; ++i)
      EXPECT_EQ(read_file(target() / ("own" + std::to_string(i)), 100), std::to_string(i));
    EXPECT_EQ(read_file(target() / "all", 100), std::to_string(count - 1)) << "the last is on top";
  }
  OverlaySpec writable(std::vector<fs::path> lowers) {
    return {std::move(lowers), scratch_.path() / "upper", scratch_.path() / "work"};
  }
  [[nodiscard]] fs::path target() const { return scratch_.path() / "mnt"; }

  TempDir scratch_{fs::temp_directory_path(), "kiln-mount-test"};
};

TEST_F(MountTest, TheUpperDirectoryGetsTheDifference) {
  const auto lowers = make_lowers(3, scratch_.path());
  Mount mount = mount_overlay(writable(lowers), target());
  expect_merged(3);
  write_file(target() / "new", "x");
  fs::remove(target() / "own0");
  mount.unmount();
  EXPECT_FALSE(fs::exists(target() / "all"));
  EXPECT_EQ(read_file(scratch_.path() / "upper" / "new", 10), "x");
  struct stat whiteout{};
  ASSERT_EQ(::lstat((scratch_.path() / "upper" / "own0").c_str(), &whiteout), 0);
  EXPECT_TRUE(S_ISCHR(whiteout.st_mode));
  EXPECT_TRUE(fs::exists(lowers[0] / "own0"));
}

TEST_F(MountTest, AHundredAndFiftyLayersAreStacked) {
  const Mount mount = mount_overlay(writable(make_lowers(150, scratch_.path())), target());
  expect_merged(150);
}

TEST_F(MountTest, AHundredAndFiftyLayersAreStackedTheOldWayToo) {
  const Mount mount =
      mount_overlay_by_options(writable(make_lowers(150, scratch_.path())), target());
  expect_merged(150);
}

TEST_F(MountTest, LongAndOddPathsAreStacked) {
  const fs::path odd = scratch_.path() / std::string(200, 'a') / std::string(200, 'b') / "c:d,e\\f";
  fs::create_directories(odd / "upper");
  fs::create_directories(odd / "work");
  const Mount mount = mount_overlay({make_lowers(3, odd), odd / "upper", odd / "work"}, target());
  expect_merged(3);
  write_file(target() / "new", "x");
  EXPECT_TRUE(fs::exists(odd / "upper" / "new"));
}

TEST_F(MountTest, AViewWithoutAnUpperDirectoryIsReadOnly) {
  const auto lowers = make_lowers(2, scratch_.path());
  for (const auto& some : {lowers, std::vector<fs::path>{lowers[0]}}) {
    const Mount mount = mount_overlay({some, {}, {}}, target());
    EXPECT_TRUE(fs::exists(target() / "all"));
    EXPECT_THROW(write_file(target() / "new", "x"), Error);
  }
}

TEST_F(MountTest, AMissingLayerIsNamed) {
  auto lowers = make_lowers(2, scratch_.path());
  fs::remove_all(lowers[1]);
  try {
    const Mount mount = mount_overlay(writable(lowers), target());
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::not_found);
    EXPECT_THAT(error.what(), testing::HasSubstr(lowers[1].string()));
  }
}

TEST_F(MountTest, ABindShowsTheSameDirectoryAndCanBeReadOnly) {
  const auto lower = make_lowers(1, scratch_.path())[0];
  {
    const Mount mount = mount_bind(lower, target(), true);
    EXPECT_TRUE(fs::exists(target() / "own0"));
    EXPECT_THROW(write_file(target() / "new", "x"), Error);
  }
  EXPECT_FALSE(fs::exists(target() / "own0")) << "the destructor unmounts";
  const Mount mount = mount_bind(lower, target(), false);
  write_file(target() / "new", "x");
  EXPECT_TRUE(fs::exists(lower / "new"));
}

TEST_F(MountTest, AFileIsBoundOverAFile) {
  write_file(scratch_.path() / "a", "a");
  write_file(scratch_.path() / "b", "b");
  const Mount mount = mount_bind(scratch_.path() / "a", scratch_.path() / "b", true);
  EXPECT_EQ(read_file(scratch_.path() / "b", 10), "a");
}

TEST_F(MountTest, ABusyMountIsNotUnmountedByForce) {
  const auto lower = make_lowers(1, scratch_.path())[0];
  Mount mount = mount_bind(lower, target(), false);
  {
    const Fd held = open_file(target() / "own0", 0);
    EXPECT_THROW(mount.unmount(), Error);
    EXPECT_TRUE(fs::exists(target() / "own0"));
  }
  EXPECT_NO_THROW(mount.unmount());
}

TEST_F(MountTest, MoreLayersThanTheKernelStacksAreRefusedWithTheNumber) {
  try {
    const std::vector<fs::path> lowers(kMaxOverlayLayers + 1, scratch_.path() / "upper");
    (void)mount_overlay(writable(lowers), target());
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::invalid_input);
    EXPECT_THAT(error.what(), testing::HasSubstr("501 layers"));
  }
}

}  // namespace
}  // namespace kiln::os
