#include "builder/os/peer.h"

#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <exception>

#include "proto/error.h"

namespace kiln::os {

namespace {

// The raw call changes this thread only; glibc's setgroups changes all threads of the process.
long set_thread_groups(const std::vector<gid_t>& groups) {
  return ::syscall(SYS_setgroups, groups.size(), groups.data());
}

void set_fs_ids(uid_t uid, gid_t gid) {
  ::setfsgid(gid);
  ::setfsuid(uid);
}

}  // namespace

Peer peer_of(int socket_fd) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket_fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    throw system_error(errno, "read the client's credentials");
  }
  Peer peer{credentials.uid, credentials.gid, {}};
  size = 0;
  ::getsockopt(socket_fd, SOL_SOCKET, SO_PEERGROUPS, nullptr, &size);  // ERANGE: tells the size
  if (size > 0) {
    peer.groups.resize(size / sizeof(gid_t));
    if (::getsockopt(socket_fd, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &size) != 0) {
      throw system_error(errno, "read the client's groups");
    }
  }
  return peer;
}

ActAs::ActAs(const Peer& peer) {
  if (peer.uid == 0) return;
  own_groups_.resize(static_cast<std::size_t>(::getgroups(0, nullptr)));
  if (::getgroups(static_cast<int>(own_groups_.size()), own_groups_.data()) < 0) {
    throw system_error(errno, "read own groups");
  }
  if (set_thread_groups(peer.groups) != 0) throw system_error(errno, "take the client's groups");
  set_fs_ids(peer.uid, peer.gid);
  active_ = true;
  // setfsuid reports no error; asking with an invalid id gives the value in force.
  if (static_cast<uid_t>(::setfsuid(static_cast<uid_t>(-1))) != peer.uid) {
    set_fs_ids(::geteuid(), ::getegid());
    set_thread_groups(own_groups_);
    throw Error(Errc::denied, "cannot act as user {}: the daemon lacks CAP_SETUID", peer.uid);
  }
}

ActAs::~ActAs() {
  if (!active_) return;
  set_fs_ids(::geteuid(), ::getegid());
  // Going on with a client's groups would be a hole, and the call cannot fail for the groups we
  // had.
  if (set_thread_groups(own_groups_) != 0) std::terminate();
}

}  // namespace kiln::os
