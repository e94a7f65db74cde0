// The process as a whole: start, serve, drain, stop.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <vector>

#include "daemon/config.h"
#include "daemon/listener.h"
#include "daemon/route.h"

namespace kiln::daemon {

/// How long running requests may go on after the first signal.
inline constexpr std::chrono::seconds kDrainGrace{10};

/// The sockets that systemd passed, else those of the configuration. Throws Error, for a configured
/// group that does not exist too; the default group may be missing.
[[nodiscard]] std::vector<Listener> open_listeners(boost::asio::any_io_executor executor,
                                                   const Config& config);

/// Called when no client was connected for a little while, once.
using Rest = std::function<boost::asio::awaitable<void>()>;

/// Answers clients by `routes` until SIGTERM, SIGINT or config.idle_exit; then stops accepting,
/// gives running requests `grace`, and cancels them. A second signal cancels at once. `routes` must
/// outlive it.
boost::asio::awaitable<void> serve(std::vector<Listener> listeners,
                                   const Routes& routes,
                                   const Config& config,
                                   Rest rest,
                                   std::chrono::steady_clock::duration grace);

/// The whole life of kilnd: opens the builder, serves, closes it. Throws Error when it can't start.
boost::asio::awaitable<void> run_daemon(boost::asio::io_context& io, Config config);

}  // namespace kiln::daemon
