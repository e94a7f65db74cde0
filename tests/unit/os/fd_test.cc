#include "builder/os/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "builder/os/file.h"

namespace kiln::os {
namespace {

bool is_open(int fd) {
  return ::fcntl(fd, F_GETFD) >= 0;
}

TEST(Fd, ClosesWhatItOwnsOnce) {
  int number = -1;
  {
    Fd fd = open_file("/dev/null", O_RDONLY);
    number = fd.get();
    const Fd moved = std::move(fd);
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
}

TEST(Fd, ReleaseHandsOut) {
  Fd fd = open_file("/dev/null", O_RDONLY);
  const Fd owner(fd.release());
  EXPECT_FALSE(fd);
  EXPECT_TRUE(is_open(owner.get()));
}

TEST(Fd, EverythingIsClosedOnExec) {
  const Pipe pipe = make_pipe();
  const Fd copy = pipe.read_end.duplicate();
  for (const Fd* fd : {&pipe.read_end, &pipe.write_end, &copy})
    EXPECT_NE(::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC, 0);
}

}  // namespace
}  // namespace kiln::os
