// GET and DELETE /kiln/v1/builds, GET /kiln/v1/builds/{show,log}
#include "builder/history.h"

#include <charconv>

#include "daemon/handlers/handlers.h"

namespace kiln::daemon {

namespace {

using boost::asio::awaitable;

std::uint64_t to_offset(const std::string& text) {
  std::uint64_t offset = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), offset);
  if (error != std::errc() || end != text.data() + text.size())
    throw Error(Errc::invalid_input, "offset \"{}\": want a number of bytes", text);
  return offset;
}

awaitable<Reply> get_builds(Request, Services& services) {
  co_return Reply{200, to_json(co_await list_builds(services))};
}

awaitable<Reply> get_build(Request request, Services& services) {
  co_return Reply{200, to_json(co_await show_build(request.parameter("id"), services))};
}

awaitable<Reply> get_log(Request request, Services& services) {
  const std::uint64_t offset = to_offset(request.parameter("offset"));
  co_return Reply{200, co_await read_build_log(request.parameter("id"), offset, services)};
}

awaitable<Reply> delete_build(Request request, Services& services) {
  co_return Reply{200, to_json(co_await remove_build(request.parameter("id"), services))};
}

}  // namespace

void add_history_routes(Routes& routes, const HandlerContext& context) {
  const auto add = [&](const char* method, const char* path,
                       awaitable<Reply> (*answer)(Request, Services&)) {
    routes.add(method, path, ReplyHandler([answer, &context](Request request) {
                 return answer(std::move(request), context.services);
               }));
  };
  add("GET", "/kiln/v1/builds", get_builds);
  add("DELETE", "/kiln/v1/builds", delete_build);
  add("GET", "/kiln/v1/builds/show", get_build);
  add("GET", "/kiln/v1/builds/log", get_log);
}

}  // namespace kiln::daemon
