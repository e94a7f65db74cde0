#include "builder/store/file_block.h"

#include <gtest/gtest.h>

namespace kiln::store {
namespace {

FileIdentity file(std::uint64_t inode) {
  return {1,
          inode,
          inode + 1,
          static_cast<std::int64_t>(inode) + 2,
          static_cast<std::int64_t>(inode) + 3,
          0100644};
}

Digest digest(std::uint64_t inode) {
  return sha256(std::to_string(inode));
}

std::string_view text_of(const FileBlock& block) {
  return {reinterpret_cast<const char*>(block.bytes().data()), block.bytes().size()};
}

TEST(FileBlock, FindsWhatWasPutInAnyOrder) {
  FileBlock block("");
  std::vector<bool> is_there(64);
  for (std::uint64_t i = 0; i < 64; ++i) {
    const std::uint64_t next = i * 27 % 64;  // each number once
    block.put(file(640 + next), digest(next));
    is_there[next] = true;
    for (std::uint64_t other = 0; other < 64; ++other) {
      const auto found = block.find(file(640 + other));
      ASSERT_EQ(found.has_value(), is_there[other]);
      if (found) ASSERT_EQ(found, digest(other));
    }
  }
  EXPECT_EQ(block.bytes().size(), 64 * FileBlock::kFileBytes);
}

TEST(FileBlock, IsTheSameInWhateverOrderItWasMade) {
  FileBlock forward("");
  FileBlock backward("");
  for (std::uint64_t i = 0; i < 64; i += 3) {
    forward.put(file(i), digest(i));
    backward.put(file(63 - i), digest(63 - i));
  }
  EXPECT_EQ(text_of(forward), text_of(backward));
  EXPECT_EQ(FileBlock(text_of(forward)).find(file(33)), digest(33));
}

TEST(FileBlock, AnotherVersionReplacesAndHidesTheOld) {
  FileBlock block("");
  FileIdentity changed = file(5);
  changed.ctime_ns += 1;
  block.put(file(5), digest(1));
  EXPECT_EQ(block.find(changed), std::nullopt);
  block.put(changed, digest(2));
  EXPECT_EQ(block.find(changed), digest(2));
  EXPECT_EQ(block.find(file(5)), std::nullopt);
  EXPECT_EQ(block.bytes().size(), FileBlock::kFileBytes);
}

TEST(FileBlock, DamagedBytesAreNone) {
  FileBlock whole("");
  whole.put(file(1), digest(1));
  const std::string cut(text_of(whole).substr(0, FileBlock::kFileBytes - 1));
  EXPECT_EQ(FileBlock(cut).find(file(1)), std::nullopt);
  EXPECT_TRUE(FileBlock(cut).bytes().empty());
  // Numbers that are no numbers, out of order: nothing is found, nothing read behind the end.
  std::string disorder(3 * FileBlock::kFileBytes, '\xff');
  FileBlock block(disorder);
  for (std::uint64_t i = 0; i < 64; ++i)
    EXPECT_EQ(block.find(file(i)), std::nullopt);
}

TEST(FileBlock, InodesOfOneBlockAreSixtyFourNeighbours) {
  EXPECT_EQ(place_of(file(64)), place_of(file(127)));
  EXPECT_NE(place_of(file(63)), place_of(file(64)));
  FileIdentity other = file(64);
  other.device = 2;
  EXPECT_NE(place_of(other), place_of(file(64)));
}

}  // namespace
}  // namespace kiln::store
