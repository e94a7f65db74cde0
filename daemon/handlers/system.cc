// GET /kiln/v1/version, /kiln/v1/info
#include "builder/images.h"
#include "daemon/command_line.h"
#include "daemon/handlers/handlers.h"

namespace kiln::daemon {

namespace {

boost::asio::awaitable<Reply> get_version() {
  co_return Reply{200, to_json(VersionInfo{version(), kApiVersion})};
}

boost::asio::awaitable<Reply> get_info(const HandlerContext& context) {
  DaemonInfo info = co_await builder_info(context.services);
  const Admission& admission = context.admission;
  info.entries.emplace(info.entries.begin(), "version", version());
  info.entries.emplace_back("builds running", std::to_string(admission.running()));
  info.entries.emplace_back("builds waiting", std::to_string(admission.waiting()));
  info.entries.emplace_back("builds at once", std::to_string(admission.limit()));
  co_return Reply{200, to_json(info)};
}

}  // namespace

void add_system_routes(Routes& routes, const HandlerContext& context) {
  routes.add("GET", "/kiln/v1/version", ReplyHandler([](const Request&) { return get_version(); }));
  routes.add("GET", "/kiln/v1/info",
             ReplyHandler([&context](const Request&) { return get_info(context); }));
}

}  // namespace kiln::daemon
