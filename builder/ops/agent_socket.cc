#include "builder/ops/agent_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <cstring>
#include <list>

#include "builder/ops/agent_relay.h"
#include "builder/os/file.h"
#include "builder/os/offload.h"
#include "proto/error.h"

namespace kiln::ops {

namespace asio = boost::asio;
using Protocol = asio::local::stream_protocol;

namespace {

constexpr const char* kSocketName = "agent";
/// Of one socket at a time: a step must not use up our descriptors.
constexpr std::size_t kMaxConnections = 64;

/// A name that fits sockaddr_un however long the path behind the descriptor is.
sockaddr_un address_of(int fd, std::string_view name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = fmt::format("/proc/self/fd/{}{}", fd, name);
  check(path.size() < sizeof address.sun_path, "the name of a descriptor is short");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

os::Fd make_socket() {
  os::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw system_error(errno, "make a socket");
  return fd;
}

os::Fd listen_in(const std::filesystem::path& directory, const SocketOwner& owner) {
  os::Fd fd = make_socket();
  const os::Fd parent = os::open_file(directory, O_PATH | O_DIRECTORY);
  const sockaddr_un address = address_of(parent.get(), fmt::format("/{}", kSocketName));
  const std::string path = directory / kSocketName;
  // Others may pass through the directory only when the socket is as it shall be.
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::fchownat(parent.get(), kSocketName, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) != 0 ||
      ::fchmodat(parent.get(), kSocketName, owner.mode & 0777, 0) != 0 ||
      ::chmod(directory.c_str(), 0711) != 0 || ::listen(fd.get(), 16) != 0) {
    throw system_error(errno, "make the socket " + path);
  }
  return fd;
}

/// Connects with the client's file rights. An agent of somebody else is refused: that service would
/// take us, not the client, for the one who asks. Blocks for no time worth mentioning.
os::Fd connect_to(const ClientAgent& agent) {
  os::Fd fd = make_socket();
  const sockaddr_un address = address_of(agent.socket.get(), "");
  {
    const os::ActAs as_client(agent.peer);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      throw system_error(errno, "connect to the client's SSH agent");
  }
  const uid_t uid = os::peer_of(fd.get()).uid;
  if (agent.peer.uid != 0 && uid != agent.peer.uid) {
    throw Error(Errc::denied, "the SSH agent is user {}'s, the client is user {}", uid,
                agent.peer.uid);
  }
  return fd;
}

struct Connection {
  explicit Connection(Protocol::socket accepted)
      : ours(std::move(accepted)), agent(ours.get_executor()) {}
  Protocol::socket ours;
  Protocol::socket agent;
};

void close(Protocol::socket& socket) {
  boost::system::error_code ignored;  // closed either way
  socket.close(ignored);
}

}  // namespace

struct AgentSocket::State {
  State(const asio::any_io_executor& executor, os::TempDir place, const SocketOwner& owner)
      : directory(std::move(place)),
        acceptor(executor, Protocol(), listen_in(directory.path(), owner).release()) {}

  void stop() {
    closed = true;
    boost::system::error_code ignored;
    acceptor.close(ignored);
    for (const auto& connection : connections) {
      close(connection->ours);
      close(connection->agent);
    }
  }

  void report(const std::string& why) {
    if (closed || std::exchange(reported, true)) return;
    listener->log(2, fmt::format("kiln: {}\n", why));
  }

  os::TempDir directory;
  Protocol::acceptor acceptor;
  std::shared_ptr<const ClientAgent> agent;
  solver::Listener listener;
  std::list<std::shared_ptr<Connection>> connections;
  bool closed = false;
  bool reported = false;
};

namespace {

using StatePtr = std::shared_ptr<AgentSocket::State>;

asio::awaitable<void> serve(StatePtr state,
                            std::list<std::shared_ptr<Connection>>::iterator place,
                            asio::thread_pool& pool) {
  const std::shared_ptr<Connection> connection = *place;
  try {
    os::Fd agent = co_await os::offload(pool, [&] { return connect_to(*state->agent); });
    if (!state->closed) {
      connection->agent.assign(Protocol(), agent.release());
      co_await relay_agent(connection->ours, connection->agent);
    }
  } catch (const boost::system::system_error&) {
    // One end has gone, or we close both: that is how a connection ends.
  } catch (const Error& error) {
    state->report(error.what());
  }
  state->connections.erase(place);
}

asio::awaitable<void> accept_all(StatePtr state, asio::thread_pool& pool, os::TaskGroup& tasks) {
  try {
    while (!state->closed) {
      Protocol::socket socket = co_await state->acceptor.async_accept(asio::use_awaitable);
      if (state->closed || state->connections.size() >= kMaxConnections) continue;
      const auto place = state->connections.insert(state->connections.end(),
                                                   std::make_shared<Connection>(std::move(socket)));
      tasks.spawn(serve(state, place, pool));
    }
  } catch (const boost::system::system_error& error) {
    state->report(fmt::format("the socket of the SSH agent: {}", error.what()));
  }
}

}  // namespace

AgentSocket::~AgentSocket() {
  if (state_) state_->stop();
}

std::filesystem::path AgentSocket::path() const {
  return state_->directory.path() / kSocketName;
}

AgentSockets::AgentSockets(asio::any_io_executor executor,
                           asio::thread_pool& pool,
                           std::filesystem::path directory)
    : executor_(std::move(executor)),
      pool_(pool),
      directory_(std::move(directory)),
      tasks_(executor_) {}

asio::awaitable<AgentSocket> AgentSockets::open(std::shared_ptr<const ClientAgent> agent,
                                                SocketOwner owner,
                                                solver::Listener listener) {
  auto make = [this, &owner] {
    return std::make_shared<AgentSocket::State>(executor_, os::TempDir(directory_, "ssh"), owner);
  };
  std::shared_ptr<AgentSocket::State> state = co_await os::offload(pool_, make);
  state->agent = std::move(agent);
  state->listener = std::move(listener);
  tasks_.spawn(accept_all(state, pool_, tasks_));
  co_return AgentSocket(std::move(state));
}

asio::awaitable<void> AgentSockets::drain() {
  co_await tasks_.join();
}

}  // namespace kiln::ops
