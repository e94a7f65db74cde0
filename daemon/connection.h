// One accepted client, whatever protocol it turns out to speak.
#pragma once

#include <string>

#include "builder/os/peer.h"
#include "daemon/fd_stream.h"

namespace kiln::daemon {

struct Connection {
  FdStream stream;
  os::Peer peer;
  std::string first_bytes;  ///< read to learn the protocol, and still to be interpreted
  bool idle = true;         ///< between requests: nothing is lost by closing
  bool stopping = false;    ///< the daemon ends: no further request

  Connection(FdStream::Socket socket, os::Peer who)
      : stream(std::move(socket)), peer(std::move(who)) {}

  /// Ends the connection now when it is idle, else after the request it is in.
  void stop_when_idle() {
    stopping = true;
    if (idle) stream.socket().cancel();
  }
};

}  // namespace kiln::daemon
