#include "cli/client.h"

#include <poll.h>

#include <cerrno>
#include <optional>

#include "cli/autostart.h"
#include "cli/errors.h"
#include "cli/interrupts.h"

namespace kiln::cli {

namespace {

/// The Error that a non-2xx answer tells.
Error to_error(unsigned status, const std::string& body) {
  try {
    const auto reply = from_json<ErrorReply>(body);
    if (!reply.message.empty()) return {reply.code, reply.message};
  } catch (const Error&) {  // not one of our answers: say what it is instead
  }
  return {Errc::internal, "the daemon answered HTTP {}: {}", status, body.substr(0, 500)};
}

bool is_success(const Connection& connection) {
  return connection.response().status() / 100 == 2;
}

/// Waits until the connection or a signal can be read, or until `progress` wants to redraw.
/// True when the connection can be read.
bool wait(const Connection& connection,
          const Interrupts& interrupts,
          Progress& progress,
          Companion* companion) {
  std::vector<pollfd> waiting{{connection.fd(), POLLIN, 0}, {interrupts.fd(), POLLIN, 0}};
  if (companion != nullptr) companion->want(waiting);
  const auto interval = progress.redraw_interval();
  const int timeout_ms = interval ? static_cast<int>(interval->count()) : -1;
  if (::poll(waiting.data(), waiting.size(), timeout_ms) < 0 && errno != EINTR)
    throw system_error(errno, "poll");
  interrupts.throw_if_pending();
  if (companion != nullptr) companion->serve(std::span(waiting).subspan(2));
  return waiting[0].revents != 0;
}

/// The lines of a stream whose pieces are cut anywhere.
class Lines {
 public:
  void add(std::string_view bytes) { text_.append(bytes); }

  /// The next whole line, without its end.
  std::optional<std::string> next() {
    const std::size_t end = text_.find('\n', start_);
    if (end == std::string::npos) {
      text_.erase(0, std::exchange(start_, 0));
      return std::nullopt;
    }
    std::string line = text_.substr(start_, end - start_);
    start_ = end + 1;
    return line;
  }

  [[nodiscard]] const std::string& rest() const { return text_; }

 private:
  std::string text_;
  std::size_t start_ = 0;
};

}  // namespace

Connection Client::connect() {
  for (const std::string& socket : options_.endpoint.sockets) {
    // A socket that may not be used is told only when it is the last hope.
    const bool last = socket == options_.endpoint.sockets.back();
    try {
      if (auto connection = Connection::open(socket)) {
        socket_path_ = socket;
        return std::move(*connection);
      }
    } catch (const ConnectionError&) {
      if (last) throw;
    }
  }
  const std::string& socket = options_.endpoint.sockets.front();
  if (options_.endpoint.named)
    throw ConnectionError(
        "no daemon listens on unix://{}; start one with 'kilnd --listen unix://{}'", socket,
        socket);
  if (!options_.may_start) throw ConnectionError("no daemon listens on unix://{}", socket);
  const auto program = find_daemon_program();
  if (!program)
    throw ConnectionError(
        "no daemon listens on unix://{}, and there is no kilnd beside kiln or in PATH to start",
        socket);
  Connection connection =
      start_daemon({.socket_path = socket, .program = *program, .quiet = options_.quiet});
  socket_path_ = socket;
  return connection;
}

std::string Client::call(const Request& request) {
  Connection connection = connect();
  connection.send(request);
  std::string body;
  while (!connection.response().done())
    body += connection.receive();
  if (!is_success(connection)) throw to_error(connection.response().status(), body);
  return body;
}

void Client::answer(const CredentialsNeeded& wanted,
                    Progress& progress,
                    const CredentialSource& credentials) {
  const auto warn = [&](const Error& error) {
    const Warning warning{fmt::format("credentials of {}: {}", wanted.registry, error.what())};
    progress.event(warning, to_json(BuildEvent(warning)));
  };
  Credentials found;
  try {
    found = credentials(wanted.registry);
  } catch (const Error& error) {
    warn(error);  // the registry may serve without
  }
  try {
    call({.method = "POST",
          .target = "/kiln/v1/credentials/" + percent_encode(wanted.ticket),
          .body = to_json(found)});
  } catch (const ConnectionError&) {
    throw;
  } catch (const Error& error) {
    warn(error);  // the ticket died: the stream tells what became of it
  }
}

Outcome Client::follow(const Request& request,
                       Progress& progress,
                       const CredentialSource& credentials,
                       Companion* companion) {
  Connection connection = connect();
  const Interrupts interrupts;
  connection.send(request);
  Lines lines;
  while (!connection.response().done()) {
    if (wait(connection, interrupts, progress, companion)) lines.add(connection.receive());
    if (!connection.response().head_done() || !is_success(connection)) continue;
    while (const auto line = lines.next()) {
      if (line->empty()) continue;
      const auto event = from_json<BuildEvent>(*line);
      progress.event(event, *line);
      if (const auto* finished = std::get_if<Finished>(&event)) return *finished;
      if (const auto* failed = std::get_if<Failed>(&event)) return *failed;
      if (const auto* wanted = std::get_if<CredentialsNeeded>(&event))
        answer(*wanted, progress, credentials);
    }
    progress.redraw();
  }
  if (!is_success(connection)) throw to_error(connection.response().status(), lines.rest());
  throw ConnectionError("the daemon's answer ended before the operation did");
}

}  // namespace kiln::cli
