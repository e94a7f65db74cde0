#include "daemon/daemon.h"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <systemd/sd-daemon.h>

#include "builder/os/task_group.h"
#include "daemon/server.h"
#include "proto/error.h"

namespace kiln::daemon {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

/// The first signal sets `stop`; every further one cancels what still runs.
asio::awaitable<void> watch_signals(asio::signal_set& signals, os::Event& stop, Server& server) {
  while (true) {
    error_code error;
    const int signal =
        co_await signals.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
    if (stop.is_set()) {
      Log().warn("signal {} again: cancelling {} connections", signal, server.connections());
      server.cancel();
    } else {
      Log().info("signal {}: stopping", signal);
      stop.set();
    }
  }
}

asio::awaitable<void> watch_idleness(const Server& server,
                                     std::chrono::seconds limit,
                                     os::Event& stop) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (true) {
    const auto now = std::chrono::steady_clock::now();
    const bool busy = server.connections() != 0;
    const auto end = (busy ? now : server.last_active()) + limit;
    if (now >= end) break;
    timer.expires_at(end);
    error_code error;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (error) co_return;
  }
  Log().info("no client for {} s: stopping", limit.count());
  stop.set();
}

asio::awaitable<void> rest_once(const Rest& rest) {
  try {
    co_await rest();
  } catch (const std::exception& error) {
    Log().warn("memory could not be given back: {}", error.what());
  }
}

std::optional<gid_t> group_of(const Config& config) {
  if (config.group.empty()) return std::nullopt;
  const auto group = find_group(config.group);
  if (group) return group;
  if (config.origins.contains("group")) {
    throw Error(Errc::not_found,
                "group \"{}\" does not exist: make it (groupadd --system {}), or "
                "choose another in the configuration",
                config.group, config.group);
  }
  Log().info("there is no group \"{}\": only root and kilnd's own group can connect", config.group);
  return std::nullopt;
}

}  // namespace

std::vector<Listener> open_listeners(asio::any_io_executor executor, const Config& config) {
  std::vector<Listener> listeners;
  for (os::Fd& socket : take_activated_sockets())
    listeners.push_back(Listener::adopt(executor, std::move(socket)));
  if (!listeners.empty()) return listeners;
  if (config.listen.empty()) {
    throw Error(Errc::invalid_input,
                "nothing to listen on: \"listen\" is empty, and systemd passed "
                "no socket");
  }
  const auto group = group_of(config);
  for (const std::string& address : config.listen)
    listeners.push_back(Listener::open(executor, parse_listen_address(address), group));
  return listeners;
}

asio::awaitable<void> serve(std::vector<Listener> listeners,
                            const Routes& routes,
                            const Config& config,
                            Rest rest,
                            std::chrono::steady_clock::duration grace) {
  const auto executor = co_await asio::this_coro::executor;
  // A cancelled daemon stops as after a signal.
  co_await asio::this_coro::throw_if_cancelled(false);
  asio::signal_set signals(executor, SIGTERM, SIGINT);
  EventQueue::Limits limits;
  if (std::filesystem::exists(config.root / "tmp")) limits.spill_directory = config.root / "tmp";
  Server server(executor, routes, limits);
  for (Listener& listener : listeners)
    server.add(std::move(listener));

  os::Event stop(executor);
  os::TaskGroup watchers(executor);
  server.when_quiet([&watchers, &rest] { watchers.spawn(rest_once(rest)); });
  server.start();
  watchers.spawn(watch_signals(signals, stop, server));
  if (config.idle_exit.count() > 0) {
    watchers.spawn(watch_idleness(server, config.idle_exit, stop));
  }
  ::sd_notify(0, "READY=1");
  co_await stop.wait_or_cancelled();
  stop.set();

  ::sd_notify(0, "STOPPING=1");
  co_await server.drain(grace);
  watchers.cancel();
  co_await watchers.join();
}

}  // namespace kiln::daemon
