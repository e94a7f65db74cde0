#include "daemon/session.h"

#include <atomic>
#include <boost/asio/this_coro.hpp>
#include <boost/system/system_error.hpp>

#include "daemon/deadline.h"
#include "daemon/failure.h"

namespace kiln::daemon {

namespace asio = boost::asio;
using std::chrono::steady_clock;

namespace {

/// How long a client that no longer deserves patience has to take its last events.
constexpr std::chrono::seconds kFlushTime{2};

std::string request_name(uid_t uid) {
  static std::atomic<unsigned> count = 0;
  return fmt::format("[r{} uid {}] ", ++count, uid);
}

std::chrono::milliseconds since(steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - start);
}

}  // namespace

/// One event stream. The three groups end in this order: job, writer, watchers.
struct Session::Stream {
  Job job;
  Log log;
  std::shared_ptr<EventQueue> events;
  os::TaskGroup job_group;
  os::TaskGroup writer_group;
  os::TaskGroup watcher_group;
  bool client_gone = false;
};

Session::Session(Connection& connection, const Routes& routes, EventQueue::Limits limits)
    : connection_(connection), routes_(routes), limits_(std::move(limits)), http_(connection) {}

asio::awaitable<void> Session::run() {
  try {
    while (co_await serve_one()) {
    }
  } catch (const boost::system::system_error& error) {
    Log().debug("connection of uid {}: {}", connection_.peer.uid, error.what());
  } catch (const std::exception& error) {
    Log().warn("connection of uid {}: {}", connection_.peer.uid, error.what());
  }
}

asio::awaitable<bool> Session::serve_one() {
  std::optional<Request> request;
  std::optional<HttpError> bad;
  try {
    request = co_await http_.read_request();
  } catch (const HttpError& error) {
    bad = error;
  }
  if (bad) {
    co_await refuse(std::move(*bad));
    co_return false;
  }
  if (!request) co_return false;

  request->peer = connection_.peer;
  request->log = Log(request_name(connection_.peer.uid));
  const Log log = request->log;
  const std::string name = request->method + " " + request->path;
  const auto start = steady_clock::now();
  Reply reply;
  Job job;
  try {
    const Handler& handler = routes_.find(*request);
    if (const auto* streams = std::get_if<StreamHandler>(&handler)) {
      job = (*streams)(std::move(*request));
    } else {
      reply = co_await std::get<ReplyHandler>(handler)(std::move(*request));
    }
  } catch (...) {
    reply = error_reply(std::current_exception());
  }

  if (job) {
    co_await stream(std::move(job), log);
    log.debug("{}: stream of {} ms", name, since(start).count());
  } else {
    log.debug("{}: {} in {} ms", name, reply.status, since(start).count());
    co_await http_.write_reply(std::move(reply), http_.keeps_alive() && !connection_.stopping);
  }
  co_return http_.keeps_alive() && !connection_.stopping;
}

asio::awaitable<void> Session::refuse(HttpError error) {
  Log().debug("refused a request of uid {}: {}", connection_.peer.uid, error.what());
  co_await http_.write_reply({error.status(), to_json(ErrorReply{error.code(), error.what()})},
                             false);
  co_await http_.close_gently();
}

asio::awaitable<void> Session::stream(Job job, Log log) {
  // Everything here is awaited to its end, also when this coroutine is cancelled; the groups pass
  // the cancellation on.
  co_await asio::this_coro::throw_if_cancelled(false);
  const auto executor = co_await asio::this_coro::executor;
  Stream stream{std::move(job),
                std::move(log),
                std::make_shared<EventQueue>(executor, limits_),
                os::TaskGroup(executor),
                os::TaskGroup(executor),
                os::TaskGroup(executor)};
  stream.writer_group.spawn(write_events(stream));
  stream.watcher_group.spawn(watch_client(stream));
  stream.watcher_group.spawn(watch_backlog(stream));
  stream.job_group.spawn(run_job(stream));
  co_await stream.job_group.join();

  const auto cancelled = (co_await asio::this_coro::cancellation_state).cancelled();
  const bool hurry =
      cancelled != asio::cancellation_type::none || stream.events->cut_off().is_set();
  std::optional<Deadline> deadline;
  if (hurry) deadline.emplace(executor, kFlushTime, [&stream] { stream.writer_group.cancel(); });
  co_await stream.writer_group.join();
  stream.watcher_group.cancel();
  co_await stream.watcher_group.join();
  co_await asio::this_coro::throw_if_cancelled(true);
}

asio::awaitable<void> Session::run_job(Stream& stream) {
  // The sink may be copied by the builder and outlive the stream; the queue then is gone.
  const EventSink sink = [queue = std::weak_ptr(stream.events)](BuildEvent event) {
    if (const auto events = queue.lock()) events->push(std::move(event));
  };
  try {
    stream.events->finish(co_await stream.job(sink));
  } catch (...) {
    Failed failed = describe_failure(std::current_exception());
    if (failed.code == Errc::cancelled && connection_.stopping && !stream.client_gone) {
      failed.message = "cancelled: the daemon is stopping";
    }
    const std::string_view message = failed.message;
    stream.log.info("{}: {}", to_word(failed.code), message.substr(0, message.find('\n')));
    stream.events->finish(std::move(failed));
  }
}

asio::awaitable<void> Session::write_events(Stream& stream) {
  try {
    co_await http_.begin_stream(!connection_.stopping && http_.keeps_alive());
    while (true) {
      std::string piece = co_await stream.events->pop();
      if (piece.empty()) break;
      co_await http_.write_piece(std::move(piece));
    }
    co_await http_.end_stream();
    co_return;
  } catch (const boost::system::system_error& error) {
    stream.log.debug("the client can't be written to: {}", error.what());
  }
  // Whoever can't be told the outcome has gone away.
  connection_.stopping = true;
  stream.client_gone = true;
  stream.events->abandon();
  stream.job_group.cancel();
}

asio::awaitable<void> Session::watch_client(Stream& stream) {
  try {
    co_await http_.wait_for_hangup();
  } catch (const boost::system::system_error&) {
    co_return;  // the stream ended first
  }
  stream.log.debug("the client closed the connection");
  stream.client_gone = true;
  stream.events->abandon();
  stream.job_group.cancel();
  stream.writer_group.cancel();
}

asio::awaitable<void> Session::watch_backlog(Stream& stream) {
  try {
    co_await stream.events->cut_off().wait();
  } catch (const boost::system::system_error&) {
    co_return;  // the stream ended first
  }
  stream.log.warn("the client reads too slowly and was cut off");
  stream.job_group.cancel();
}

}  // namespace kiln::daemon
