// A client's SSH agent as a socket of ours, for a step or for git.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "builder/ops/client_secrets.h"
#include "builder/os/task_group.h"
#include "builder/solver/executor.h"

namespace kiln::ops {

/// Who may connect to a socket of ours.
struct SocketOwner {
  std::uint32_t mode = 0600;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

/// Listens until it is destroyed, which ends its connections too.
class AgentSocket {
 public:
  struct State;
  explicit AgentSocket(std::shared_ptr<State> state) : state_(std::move(state)) {}
  AgentSocket(AgentSocket&&) = default;
  AgentSocket& operator=(AgentSocket&&) = default;
  ~AgentSocket();

  /// What SSH_AUTH_SOCK is to be for a process of the host.
  [[nodiscard]] std::filesystem::path path() const;

 private:
  std::shared_ptr<State> state_;
};

/// All of a builder's. Each connection to one becomes a connection to the client's agent, made with
/// the client's own rights. Keys can be listed and used to sign; what would change the agent (add,
/// remove, lock) and extensions fail, as with BuildKit, and nothing else passes.
/// source: draft-ietf-sshm-ssh-agent "Protocol Messages"; BuildKit session/sshforward/sshprovider
///
/// Thread: the event loop's, also for the destruction of an AgentSocket.
class AgentSockets {
 public:
  /// Sockets are made below `directory`. `pool` must outlive it.
  AgentSockets(boost::asio::any_io_executor executor,
               boost::asio::thread_pool& pool,
               std::filesystem::path directory);

  /// That the agent cannot be reached is told to `listener` when somebody tries. Throws Error.
  [[nodiscard]] boost::asio::awaitable<AgentSocket> open(std::shared_ptr<const ClientAgent> agent,
                                                         SocketOwner owner,
                                                         solver::Listener listener);

  /// Waits for connections that are ending; before destruction, when no AgentSocket is left.
  boost::asio::awaitable<void> drain();

 private:
  boost::asio::any_io_executor executor_;
  boost::asio::thread_pool& pool_;
  std::filesystem::path directory_;
  os::TaskGroup tasks_;
};

}  // namespace kiln::ops
