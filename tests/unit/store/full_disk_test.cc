// A disk that fills up: a clear error, and nothing left behind.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <unistd.h>

#include "builder/os/mount.h"
#include "proto/error.h"
#include "tests/unit/store/store_fixture.h"

namespace kiln::store {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;

class FullDiskTest : public StoreTest {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "mounting a small file system needs root";
    std::filesystem::create_directories(root());
    ASSERT_EQ(::mount("tmpfs", root().c_str(), "tmpfs", 0, "size=1m"), 0);
    small_disk_ = os::Mount(root());
    open();
  }
  void TearDown() override { close(); }

  os::Mount small_disk_;
};

TEST_F(FullDiskTest, WritingABlobSaysThatTheDiskIsFullAndLeavesNothing) {
  const std::string piece(256 * 1024, 'x');
  try {
    BlobWriter writer = store().blobs().writer();
    for (int i = 0; i < 10; ++i)
      writer.write(as_bytes(piece));
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::unavailable);
    EXPECT_THAT(error.what(), HasSubstr("No space left on device"));
    EXPECT_THAT(error.what(), HasSubstr(root().string()));
  }
  EXPECT_THAT(names_in(root() / "tmp"), IsEmpty());
  EXPECT_NO_THROW(store().blobs().put("small"));
}

TEST_F(FullDiskTest, ATransactionThatDoesNotFitIsUndoneAndTheNextOneWorks) {
  const std::string big(2 * 1024 * 1024, 'x');
  try {
    run([&](Tables& tables) { tables.set_meta("big", big); });
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::unavailable);
    EXPECT_THAT(error.what(), AnyOf(HasSubstr("no space left"), HasSubstr("disk I/O error")));
  }
  EXPECT_EQ(run([](Tables& tables) { return tables.meta("big"); }), std::nullopt);
  run([](Tables& tables) { tables.set_meta("small", "x"); });
  EXPECT_EQ(run([](Tables& tables) { return tables.meta("small"); }), "x");
}

TEST_F(FullDiskTest, ARootOnAFullDiskSaysSo) {
  close();
  std::filesystem::remove(root() / "kiln.db");
  std::filesystem::remove(root() / "reserve");
  const std::string filler(64 * 1024, 'x');
  const os::Fd fd = os::open_file(root() / "filler", O_WRONLY | O_CREAT);
  while (::write(fd.get(), filler.data(), filler.size()) > 0) {
  }
  try {
    open();
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::unavailable) << error.what();
  }
}

}  // namespace
}  // namespace kiln::store
