// POST /kiln/v1/credentials/TICKET
#include "daemon/credentials.h"

#include "daemon/handlers/handlers.h"

namespace kiln::daemon {

namespace {

boost::asio::awaitable<Reply> post_credentials(Request request, Tickets& tickets) {
  tickets.answer(request.rest, request.peer.uid, from_json<Credentials>(request.body));
  co_return Reply{204, ""};
}

}  // namespace

void add_credential_routes(Routes& routes, const HandlerContext& context) {
  routes.add("POST", "/kiln/v1/credentials/*", ReplyHandler([&context](Request request) {
               return post_credentials(std::move(request), context.tickets);
             }));
}

}  // namespace kiln::daemon
