#include "builder/sandbox/netns.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <exception>
#include <thread>

#include "builder/os/fd.h"
#include "proto/error.h"

namespace kiln::sandbox {

namespace {

void raise_loopback() {
  const os::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) throw system_error(errno, "open a socket in a new network namespace");
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", sizeof "lo");
  if (::ioctl(socket.get(), SIOCGIFFLAGS, &request) != 0)
    throw system_error(errno, "look at lo in a new network namespace");
  request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
  if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0)
    throw system_error(errno, "raise lo in a new network namespace");
}

void make_in_this_thread(const std::filesystem::path& path) {
  if (::unshare(CLONE_NEWNET) != 0) throw system_error(errno, "make a network namespace");
  raise_loopback();
  if (::mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) != 0)
    throw system_error(errno, "hold a network namespace at " + path.string());
}

}  // namespace

void make_network_namespace(const std::filesystem::path& path) {
  // A thread of its own, which ends: the caller's stays in its namespace.
  std::exception_ptr failure;
  std::thread maker([&] {
    try {
      make_in_this_thread(path);
    } catch (...) {
      failure = std::current_exception();
    }
  });
  maker.join();
  if (failure) std::rethrow_exception(failure);
}

void drop_network_namespace(const std::filesystem::path& path) noexcept {
  ::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

}  // namespace kiln::sandbox
