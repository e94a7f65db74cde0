#include "builder/os/writers.h"

#include <fcntl.h>

#include <cerrno>
#include <csignal>

namespace kiln::os {

bool has_writers(int fd) {
  // Who opens the file in the moment that the lease is held waits for its end, and we would be told
  // by SIGIO, which ends a process; SIGURG is ignored unless somebody handles it.
  if (::fcntl(fd, F_SETSIG, SIGURG) != 0) return false;
  if (::fcntl(fd, F_SETLEASE, F_RDLCK) != 0) return errno == EAGAIN;
  ::fcntl(fd, F_SETLEASE, F_UNLCK);
  return false;
}

}  // namespace kiln::os
