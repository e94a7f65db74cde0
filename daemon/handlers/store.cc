// POST /kiln/v1/prune, /kiln/v1/fsck, GET /kiln/v1/df
#include "builder/fsck.h"
#include "builder/images.h"
#include "daemon/handlers/handlers.h"

namespace kiln::daemon {

namespace {

boost::asio::awaitable<Reply> post_prune(Request request, Services& services) {
  const auto message = from_json<PruneRequest>(request.body.empty() ? "{}" : request.body);
  const PruneReport report = co_await prune(message, services);
  request.log.info("pruned {} records, {} bytes", report.records, report.freed_bytes);
  co_return Reply{200, to_json(report)};
}

boost::asio::awaitable<Reply> get_disk_usage(Request request, Services& services) {
  const auto items = request.query.find("items");
  const bool with_items = items != request.query.end() && items->second == "1";
  co_return Reply{200, to_json(co_await disk_usage(services, with_items))};
}

boost::asio::awaitable<Finished> fsck(
    FsckRequest message, Caller caller, EventSink events, Log log, const HandlerContext& context) {
  connect_caller(caller, std::move(events), context.tickets);
  Finished finished = co_await check_store(message, caller, context.services);
  log.info("fsck{}: {}", message.repair ? " --repair" : "", finished.metadata["fsck"]);
  co_return finished;
}

Job prepare_fsck(Request request, const HandlerContext& context) {
  const auto message = from_json<FsckRequest>(request.body.empty() ? "{}" : request.body);
  Caller caller = make_caller(request, {});
  return
      [message, caller = std::move(caller), log = request.log, &context](EventSink events) mutable {
        return fsck(message, std::move(caller), std::move(events), log, context);
      };
}

}  // namespace

void add_store_routes(Routes& routes, const HandlerContext& context) {
  routes.add("POST", "/kiln/v1/prune", ReplyHandler([&context](Request request) {
               return post_prune(std::move(request), context.services);
             }));
  routes.add("POST", "/kiln/v1/fsck", StreamHandler([&context](Request request) {
               return prepare_fsck(std::move(request), context);
             }));
  routes.add("GET", "/kiln/v1/df", ReplyHandler([&context](Request request) {
               return get_disk_usage(std::move(request), context.services);
             }));
}

}  // namespace kiln::daemon
