// The Unix socket that clients connect to.
#pragma once

#include <sys/types.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/os/fd.h"
#include "daemon/fd_stream.h"

namespace kiln::daemon {

/// The path in "unix:///PATH". Throws Error{invalid_input} for anything else, and for a path longer
/// than a socket address holds (107 bytes).
[[nodiscard]] std::filesystem::path parse_listen_address(std::string_view address);

/// The id of the group `name`; nullopt when there is none.
[[nodiscard]] std::optional<gid_t> find_group(const std::string& name);

/// Listens, and removes the socket's name in the end when it is still ours.
class Listener {
 public:
  /// Makes the socket, mode 0660, of `group` when given; missing parent directories are made 0755.
  /// A socket that nobody answers on is replaced. Throws Error{unavailable} when somebody does.
  [[nodiscard]] static Listener open(boost::asio::any_io_executor executor,
                                     const std::filesystem::path& path,
                                     std::optional<gid_t> group);
  /// Takes a listening socket that another process made and named.
  [[nodiscard]] static Listener adopt(boost::asio::any_io_executor executor, os::Fd socket);

  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) = delete;
  ~Listener();

  /// The next client; throws boost::system::system_error{operation_aborted} once closed.
  boost::asio::awaitable<FdStream::Socket> accept();
  /// Stops listening and removes the name. Never throws.
  void close() noexcept;

  [[nodiscard]] const std::string& name() const noexcept;

 private:
  struct State;
  explicit Listener(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// The listening Unix stream sockets that systemd passed (sd_listen_fds(3)), close-on-exec; the
/// variables that say so are unset. Throws Error{invalid_input} for any other kind of descriptor.
[[nodiscard]] std::vector<os::Fd> take_activated_sockets();

}  // namespace kiln::daemon
