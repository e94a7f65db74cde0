#include "builder/image/archive_entries.h"

#include <gtest/gtest.h>

namespace kiln::image {
namespace {

TEST(ArchivePath, IsRelativeToTheTopOfTheArchive) {
  EXPECT_EQ(archive_path("", "a/b"), "a/b");
  EXPECT_EQ(archive_path("", "./a//b/"), "a/b");
  EXPECT_EQ(archive_path("", "/a"), "a");
  EXPECT_EQ(archive_path("", "."), "");
}

TEST(ArchivePath, ResolvesWhatALinkSaysFromItsDirectory) {
  EXPECT_EQ(archive_path("one", "../two/layer.tar"), "two/layer.tar");
  EXPECT_EQ(archive_path("one", "layer.tar"), "one/layer.tar");
  EXPECT_EQ(archive_path("one", "/layer.tar"), "layer.tar");
}

TEST(ArchivePath, DoesNotLeaveTheArchive) {
  EXPECT_EQ(archive_path("", "../a"), std::nullopt);
  EXPECT_EQ(archive_path("one", "../../a"), std::nullopt);
  EXPECT_EQ(archive_path("", "/.."), std::nullopt);
  EXPECT_EQ(archive_path("", std::string(5000, 'a')), std::nullopt);
}

}  // namespace
}  // namespace kiln::image
