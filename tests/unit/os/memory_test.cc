#include "builder/os/memory.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <vector>

namespace kiln::os {
namespace {

std::size_t resident_bytes() {
  std::size_t size = 0;
  std::size_t resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST(Memory, GoesBackAlthoughTheNewestBlockIsInUse) {
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "the sanitizer has a heap of its own";
#endif
  constexpr std::size_t kBlocks = 16'384;
  constexpr std::size_t kBlockBytes = 4'096;
  std::vector<std::unique_ptr<char[]>> blocks;
  for (std::size_t i = 0; i < kBlocks; ++i) {
    blocks.push_back(std::make_unique<char[]>(kBlockBytes));  // writes zeros
  }
  const std::size_t full = resident_bytes();
  const std::unique_ptr<char[]> newest = std::move(blocks.back());
  blocks.clear();
  give_back_memory();
  EXPECT_LT(resident_bytes() + kBlocks * kBlockBytes * 3 / 4, full);
}

TEST(Memory, CodeRunsOnAfterItsPagesWereForgotten) {
  for (int i = 0; i < 3; ++i) {
    give_back_memory();
    EXPECT_GT(resident_bytes(), 0U);
  }
}

}  // namespace
}  // namespace kiln::os
