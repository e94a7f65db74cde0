// GET and DELETE /kiln/v1/images, /kiln/v1/images/{inspect,history}, POST /kiln/v1/images/tag
#include "builder/images.h"

#include "daemon/handlers/handlers.h"

namespace kiln::daemon {

namespace {

using boost::asio::awaitable;

awaitable<Reply> get_images(Request, Services& services) {
  co_return Reply{200, to_json(co_await list_images(services))};
}

awaitable<Reply> get_inspect(Request request, Services& services) {
  co_return Reply{200, co_await inspect_image(request.parameter("name"), services)};
}

awaitable<Reply> get_history(Request request, Services& services) {
  co_return Reply{200, to_json(co_await image_history(request.parameter("name"), services))};
}

awaitable<Reply> post_tag(Request request, Services& services) {
  co_await tag_image(request.parameter("source"), request.parameter("target"), services);
  co_return Reply{204, ""};
}

awaitable<Reply> delete_image(Request request, Services& services) {
  co_await remove_image(request.parameter("name"), services);
  co_return Reply{204, ""};
}

}  // namespace

void add_image_routes(Routes& routes, const HandlerContext& context) {
  const auto add = [&](const char* method, const char* path,
                       awaitable<Reply> (*answer)(Request, Services&)) {
    routes.add(method, path, ReplyHandler([answer, &context](Request request) {
                 return answer(std::move(request), context.services);
               }));
  };
  add("GET", "/kiln/v1/images", get_images);
  add("DELETE", "/kiln/v1/images", delete_image);
  add("GET", "/kiln/v1/images/inspect", get_inspect);
  add("GET", "/kiln/v1/images/history", get_history);
  add("POST", "/kiln/v1/images/tag", post_tag);
}

}  // namespace kiln::daemon
