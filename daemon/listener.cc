#include "daemon/listener.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <systemd/sd-daemon.h>

#include "builder/os/file.h"
#include "daemon/log.h"
#include "proto/error.h"

namespace kiln::daemon {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using Protocol = asio::local::stream_protocol;

namespace {

constexpr mode_t kSocketMode = 0660;

sockaddr_un address_of(const fs::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.native().size());
  return address;
}

os::Fd new_socket() {
  os::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) throw system_error(errno, "make a socket");
  return socket;
}

void make_directories(const fs::path& path) {
  if (path.empty() || fs::exists(path)) return;
  make_directories(path.parent_path());
  if (::mkdir(path.c_str(), 0755) != 0) {
    if (errno == EEXIST) return;
    throw system_error(errno, "make the directory " + path.string());
  }
  // Whatever the umask was: clients of every group pass through.
  if (::chmod(path.c_str(), 0755) != 0) throw system_error(errno, "chmod " + path.string());
}

/// Removes the socket at `path` if nobody listens on it.
void remove_stale(const fs::path& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return;
    throw system_error(errno, "look at " + path.string());
  }
  if (!S_ISSOCK(status.st_mode)) {
    throw Error(Errc::invalid_input, "listen on {}: the file exists and is not a socket",
                path.string());
  }
  const os::Fd probe = new_socket();
  const sockaddr_un address = address_of(path);
  if (::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ||
      errno == EAGAIN) {  // EAGAIN: its queue is full
    throw Error(Errc::unavailable,
                "listen on {}: another process answers there; stop it, or listen elsewhere",
                path.string());
  }
  if (errno != ECONNREFUSED && errno != ENOENT) {
    throw system_error(errno, "find out who listens on " + path.string());
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    throw system_error(errno, "remove the stale socket " + path.string());
  }
}

void bind_to(int socket, const fs::path& path, std::optional<gid_t> group) {
  // The name appears with the socket's own mode, so nobody else can connect before chown and chmod.
  if (::fchmod(socket, 0600) != 0) throw system_error(errno, "chmod a socket");
  const sockaddr_un address = address_of(path);
  if (::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw system_error(errno, "bind to " + path.string());
  }
  if (group && ::lchown(path.c_str(), static_cast<uid_t>(-1), *group) != 0) {
    throw system_error(errno, fmt::format("give {} to group {}", path.string(), *group));
  }
  if (::chmod(path.c_str(), kSocketMode) != 0) throw system_error(errno, "chmod " + path.string());
  if (::listen(socket, SOMAXCONN) != 0) throw system_error(errno, "listen on " + path.string());
}

}  // namespace

struct Listener::State {
  Protocol::acceptor acceptor;
  std::string name;
  fs::path path;  ///< to be removed; "" when it is not ours
  dev_t device = 0;
  ino_t inode = 0;
};

fs::path parse_listen_address(std::string_view address) {
  constexpr std::string_view kScheme = "unix://";
  if (!address.starts_with(kScheme) || !address.substr(kScheme.size()).starts_with('/')) {
    throw Error(Errc::invalid_input, "listen address \"{}\": only unix:///PATH is supported",
                address);
  }
  const std::string_view path = address.substr(kScheme.size());
  if (path.size() >= sizeof(sockaddr_un::sun_path) || path.ends_with('/')) {
    throw Error(Errc::invalid_input,
                "listen address \"{}\": the path must name a file and have at most {} bytes",
                address, sizeof(sockaddr_un::sun_path) - 1);
  }
  return path;
}

std::optional<gid_t> find_group(const std::string& name) {
  group entry{};
  group* found = nullptr;
  std::vector<char> buffer(16 * 1024);
  int error = 0;
  while ((error = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found)) ==
         ERANGE) {
    buffer.resize(buffer.size() * 2);
  }
  if (found) return found->gr_gid;
  if (error != 0 && error != ENOENT && error != ESRCH) {
    throw system_error(error, "look up group " + name);
  }
  return std::nullopt;
}

Listener Listener::open(asio::any_io_executor executor,
                        const fs::path& path,
                        std::optional<gid_t> group) {
  make_directories(path.parent_path());
  // Two daemons that start together take turns from "is it stale" to listen().
  const os::Fd lock = os::open_file(path.parent_path(), O_RDONLY | O_DIRECTORY);
  if (::flock(lock.get(), LOCK_EX) != 0)
    throw system_error(errno, "lock " + path.parent_path().string());
  remove_stale(path);
  os::Fd socket = new_socket();
  bind_to(socket.get(), path, group);

  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) throw system_error(errno, "look at " + path.string());
  auto state = std::make_unique<State>(State{
      Protocol::acceptor(executor), "unix://" + path.string(), path, status.st_dev, status.st_ino});
  state->acceptor.assign(Protocol(), socket.release());
  return Listener(std::move(state));
}

Listener Listener::adopt(asio::any_io_executor executor, os::Fd socket) {
  auto state = std::make_unique<State>(State{Protocol::acceptor(executor), "", {}});
  state->acceptor.assign(Protocol(), socket.release());
  state->name = "unix://" + state->acceptor.local_endpoint().path() + " (from systemd)";
  return Listener(std::move(state));
}

Listener::Listener(std::unique_ptr<State> state) : state_(std::move(state)) {}
Listener::Listener(Listener&&) noexcept = default;

Listener::~Listener() {
  if (state_) close();
}

asio::awaitable<FdStream::Socket> Listener::accept() {
  const auto executor = co_await asio::this_coro::executor;
  while (true) {
    boost::system::error_code error;
    Protocol::socket socket = co_await state_->acceptor.async_accept(
        executor, asio::redirect_error(asio::use_awaitable, error));
    if (!error) co_return socket;
    if (error == asio::error::operation_aborted || error == asio::error::bad_descriptor) {
      throw boost::system::system_error(asio::error::operation_aborted, "accept");
    }
    // Out of files or memory: clients wait in the queue until something is closed.
    Log().warn("accept on {}: {}", state_->name, error.message());
    asio::steady_timer pause(executor, std::chrono::milliseconds{100});
    co_await pause.async_wait(asio::use_awaitable);
  }
}

void Listener::close() noexcept {
  if (!state_->path.empty()) {
    struct stat status{};
    if (::lstat(state_->path.c_str(), &status) == 0 && status.st_dev == state_->device &&
        status.st_ino == state_->inode) {
      ::unlink(state_->path.c_str());
    }
    state_->path.clear();
  }
  boost::system::error_code ignored;
  state_->acceptor.close(ignored);
}

const std::string& Listener::name() const noexcept {
  return state_->name;
}

std::vector<os::Fd> take_activated_sockets() {
  const int count = ::sd_listen_fds(/*unset_environment=*/1);  // sets FD_CLOEXEC
  if (count < 0) throw system_error(-count, "take the sockets from systemd");
  std::vector<os::Fd> sockets;
  for (int fd = SD_LISTEN_FDS_START; fd < SD_LISTEN_FDS_START + count; ++fd) {
    sockets.emplace_back(fd);
    if (::sd_is_socket_unix(fd, SOCK_STREAM, 1, nullptr, 0) <= 0) {
      throw Error(Errc::invalid_input,
                  "descriptor {} from systemd is not a listening Unix stream socket", fd);
    }
  }
  return sockets;
}

}  // namespace kiln::daemon
