#include <exception>

#include "builder/services.h"
#include "daemon/admission.h"
#include "daemon/command_line.h"
#include "daemon/credentials.h"
#include "daemon/daemon.h"
#include "daemon/handlers/handlers.h"

namespace kiln::daemon {

boost::asio::awaitable<void> run_daemon(boost::asio::io_context& io, Config config) {
  Log().info("kilnd {} with root {}", version(), config.root.string());
  const std::unique_ptr<Services> services = co_await Services::open(io, builder_config(config));
  for (const std::string& note : services->notes())
    Log().info("{}", note);

  Tickets tickets;
  Admission admission(max_builds(config));
  const HandlerContext context{*services, tickets, admission, config};
  const Routes routes = make_routes(context);
  const auto rest = [&services] { return services->rest(); };
  std::exception_ptr failure;
  try {
    // After the store: its lock tells two daemons of one root apart before either is reachable.
    co_await serve(open_listeners(io.get_executor(), config), routes, config, rest, kDrainGrace);
  } catch (...) {
    failure = std::current_exception();
  }
  co_await services->close();
  if (failure) std::rethrow_exception(failure);
  Log().info("stopped");
}

}  // namespace kiln::daemon
