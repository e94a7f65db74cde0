#include "builder/cache/layout_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "builder/os/file.h"
#include "proto/error.h"
#include "tests/support/scratch.h"

namespace kiln::cache {
namespace {

namespace fs = std::filesystem;

class LayoutFilesTest : public testing::Test {
 protected:
  [[nodiscard]] os::Fd open_folder() const {
    return os::open_file(scratch.path(), O_RDONLY | O_DIRECTORY);
  }
  static Digest write(const LayoutFiles& files, const std::string& text) {
    BytesSource source(as_bytes(text));
    files.write(sha256(text), text.size(), source);
    return sha256(text);
  }

  test::Scratch scratch;
};

TEST_F(LayoutFilesTest, NamesWhatWasWrittenAndKeepsOtherNames) {
  const LayoutFiles files(open_folder(), {});
  EXPECT_EQ(files.find("a"), std::nullopt);
  const Digest one = write(files, "one");
  files.name("a", {"type", one, 3, {}, {}});
  files.name("b", {"type", one, 3, {}, {}});
  const Digest two = write(files, "two");
  files.name("a", {"type", two, 3, {}, {}});
  EXPECT_EQ(files.find("a")->digest, two);
  EXPECT_EQ(files.find("b")->digest, one);
  EXPECT_EQ(files.read(two), "two");
  EXPECT_EQ(os::read_file(scratch / "oci-layout", 100), R"({"imageLayoutVersion":"1.0.0"})");
}

TEST_F(LayoutFilesTest, TellsWhatIsDamagedFromWhatIsMissing) {
  const LayoutFiles files(open_folder(), {});
  const Digest blob = write(files, "blob");
  os::write_file(scratch / ("blobs/sha256/" + std::string(blob.hex())), "bl0b");
  EXPECT_THROW((void)files.read(blob), Error);
  EXPECT_THROW((void)files.open(sha256("missing")), Error);
}

TEST_F(LayoutFilesTest, FollowsNoLinkOutOfItsDirectory) {
  const test::Scratch outside;
  fs::create_directory_symlink(outside.path(), scratch / "blobs");
  const LayoutFiles files(open_folder(), {});
  EXPECT_THROW(write(files, "text"), Error);
  EXPECT_TRUE(fs::is_empty(outside.path()));
  os::write_file(outside / "index.json", R"({"schemaVersion":2,"manifests":[]})");
  fs::create_symlink(outside / "index.json", scratch / "index.json");
  EXPECT_THROW((void)files.find("a"), Error);
}

TEST_F(LayoutFilesTest, IsLockedAgainstOtherWriters) {
  const LayoutFiles first(open_folder(), {});
  const LayoutFiles second(open_folder(), {});
  EXPECT_TRUE(first.try_lock());
  EXPECT_FALSE(second.try_lock());
  first.unlock();
  EXPECT_TRUE(second.try_lock());
}

}  // namespace
}  // namespace kiln::cache
