// Acting with a client's own file rights.
#pragma once

#include <sys/types.h>

#include <vector>

namespace kiln::os {

/// Who is at the other end of a local socket (SO_PEERCRED, SO_PEERGROUPS).
struct Peer {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

[[nodiscard]] Peer peer_of(int socket_fd);

/// While it lives, this thread (only) opens and lists files with the peer's rights: its fsuid,
/// fsgid and groups; the kernel drops the capabilities that override file permissions with the
/// fsuid (setfsuid(2)). Not across a co_await: a coroutine may resume elsewhere. For uid 0 it does
/// nothing.
class ActAs {
 public:
  /// `peer` must outlive it. Throws Error when the kernel refuses.
  explicit ActAs(const Peer& peer);
  ~ActAs();
  ActAs(const ActAs&) = delete;
  ActAs& operator=(const ActAs&) = delete;

 private:
  bool active_ = false;
  std::vector<gid_t> own_groups_;
};

}  // namespace kiln::os
