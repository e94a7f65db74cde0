#include "daemon/handlers/handlers.h"

#include "proto/error.h"

namespace kiln::daemon {

Routes make_routes(const HandlerContext& context) {
  Routes routes;
  add_system_routes(routes, context);
  add_build_routes(routes, context);
  add_history_routes(routes, context);
  add_credential_routes(routes, context);
  add_image_routes(routes, context);
  add_transfer_routes(routes, context);
  add_store_routes(routes, context);
  add_cache_mount_routes(routes, context);
  add_debug_routes(routes, context);
  return routes;
}

Caller make_caller(Request& request, const std::vector<std::string>& roles) {
  if (roles.size() != request.descriptors.size()) {
    throw Error(Errc::invalid_input,
                "the request names {} descriptors, but {} file descriptors came with it",
                roles.size(), request.descriptors.size());
  }
  Caller caller;
  caller.peer = request.peer;
  for (std::size_t index = 0; index < roles.size(); ++index) {
    auto& fd = request.descriptors[index];
    if (!caller.descriptors.try_emplace(roles[index], std::move(fd)).second) {
      throw Error(Errc::invalid_input, "two file descriptors have the role \"{}\"", roles[index]);
    }
  }
  return caller;
}

void connect_caller(Caller& caller, EventSink events, Tickets& tickets) {
  caller.events = events;
  // Not a coroutine itself: what it captures only has to live until ask() has its arguments.
  caller.credentials = [&tickets, uid = caller.peer.uid, events](std::string host) {
    return tickets.ask(uid, std::move(host), events);
  };
}

}  // namespace kiln::daemon
