#include "builder/os/writers.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "builder/os/file.h"

namespace kiln::os {
namespace {

TEST(Writers, AreSeenThroughDescriptorsAndMappings) {
  const TempDir scratch(std::filesystem::temp_directory_path(), "kiln-writers");
  const std::filesystem::path path = scratch.path() / "file";
  write_all(open_file(path, O_WRONLY | O_CREAT, 0644).get(), std::as_bytes(std::span("text")),
            "file");
  const Fd reader = open_file(path, O_RDONLY);
  EXPECT_FALSE(has_writers(reader.get()));
  Fd writer = open_file(path, O_RDWR);
  EXPECT_TRUE(has_writers(reader.get()));
  void* memory = ::mmap(nullptr, 4, PROT_READ | PROT_WRITE, MAP_SHARED, writer.get(), 0);
  ASSERT_NE(memory, MAP_FAILED);
  writer = Fd();
  EXPECT_TRUE(has_writers(reader.get()));
  ::munmap(memory, 4);
  EXPECT_FALSE(has_writers(reader.get()));
  writer = open_file(path, O_RDWR);  // nothing of ours stays in its way
  EXPECT_TRUE(writer);
}

}  // namespace
}  // namespace kiln::os
