// POST /kiln/v1/debug
#include "builder/debug.h"

#include "daemon/handlers/handlers.h"

namespace kiln::daemon {

namespace {

boost::asio::awaitable<Finished> debug(
    DebugRequest message, Caller caller, EventSink events, Log log, const HandlerContext& context) {
  connect_caller(caller, std::move(events), context.tickets);
  Finished finished = co_await debug_build(std::move(message), caller, context.services);
  log.info("debugged build {}: exit code {}", finished.build_id, finished.metadata[kExitCodeKey]);
  co_return finished;
}

Job prepare(Request request, const HandlerContext& context) {
  auto message = from_json<DebugRequest>(request.body);
  Caller caller = make_caller(request, message.descriptors);
  return [message = std::move(message), caller = std::move(caller), log = request.log,
          &context](EventSink events) mutable {
    return debug(std::move(message), std::move(caller), std::move(events), log, context);
  };
}

}  // namespace

void add_debug_routes(Routes& routes, const HandlerContext& context) {
  routes.add("POST", "/kiln/v1/debug", StreamHandler([&context](Request request) {
               return prepare(std::move(request), context);
             }));
}

}  // namespace kiln::daemon
