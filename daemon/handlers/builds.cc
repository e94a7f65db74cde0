// POST /kiln/v1/builds, /kiln/v1/contexts/list
#include "builder/build.h"
#include "builder/context_listing.h"
#include "daemon/handlers/handlers.h"
#include "proto/shown_url.h"

namespace kiln::daemon {

namespace {

boost::asio::awaitable<Finished> build(
    BuildRequest request, Caller caller, EventSink events, Log log, const HandlerContext& context) {
  connect_caller(caller, events, context.tickets);
  if (context.admission.is_full()) {
    events(Warning{fmt::format("waiting: {} builds run already (run.max-builds of kilnd.toml)",
                               context.admission.running())});
  }
  const Admission::Place place = co_await context.admission.enter(caller.peer.uid);
  log.info("build of {} -f {} as {}", shown_url(request.context_name), request.dockerfile_name,
           request.tags.empty() ? "nothing" : fmt::format("{}", fmt::join(request.tags, ", ")));
  Finished finished = co_await run_build(std::move(request), caller, context.services);
  log.info("built {} {}", finished.build_id, finished.image_digest);
  co_return finished;
}

Job prepare_build(Request request, const HandlerContext& context) {
  auto message = from_json<BuildRequest>(request.body);
  Caller caller = make_caller(request, message.descriptors);
  return [message = std::move(message), caller = std::move(caller), log = request.log,
          &context](EventSink events) mutable {
    return build(std::move(message), std::move(caller), std::move(events), log, context);
  };
}

boost::asio::awaitable<Finished> list(BuildRequest request,
                                      Caller caller,
                                      EventSink events,
                                      const HandlerContext& context) {
  connect_caller(caller, events, context.tickets);
  const Admission::Place place = co_await context.admission.enter(caller.peer.uid);
  co_return co_await list_context(std::move(request), caller, context.services);
}

Job prepare_list(Request request, const HandlerContext& context) {
  auto message = from_json<BuildRequest>(request.body);
  Caller caller = make_caller(request, message.descriptors);
  return [message = std::move(message), caller = std::move(caller),
          &context](EventSink events) mutable {
    return list(std::move(message), std::move(caller), std::move(events), context);
  };
}

}  // namespace

void add_build_routes(Routes& routes, const HandlerContext& context) {
  routes.add("POST", "/kiln/v1/contexts/list", StreamHandler([&context](Request request) {
               return prepare_list(std::move(request), context);
             }));
  routes.add("POST", "/kiln/v1/builds", StreamHandler([&context](Request request) {
               return prepare_build(std::move(request), context);
             }));
}

}  // namespace kiln::daemon
