// POST /kiln/v1/prune, GET /kiln/v1/df
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

boost::asio::awaitable<Reply> get_disk_usage(Services& services) {
  co_return Reply{200, to_json(co_await disk_usage(services))};
}

}  // namespace

void add_store_routes(Routes& routes, const HandlerContext& context) {
  routes.add("POST", "/kiln/v1/prune", ReplyHandler([&context](Request request) {
               return post_prune(std::move(request), context.services);
             }));
  routes.add("GET", "/kiln/v1/df",
             ReplyHandler([&context](const Request&) { return get_disk_usage(context.services); }));
}

}  // namespace kiln::daemon
