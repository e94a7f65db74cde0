// What the paths of the API do. One file a resource; together they make the routes.
#pragma once

#include <string>
#include <vector>

#include "builder/build.h"
#include "builder/services.h"
#include "daemon/admission.h"
#include "daemon/config.h"
#include "daemon/credentials.h"
#include "daemon/route.h"

namespace kiln::daemon {

/// What handlers work with; all of it outlives every request.
struct HandlerContext {
  Services& services;
  Tickets& tickets;
  Admission& admission;
  const Config& config;
};

/// The whole table of proto/PROTOCOL.md. `context` must outlive the routes.
[[nodiscard]] Routes make_routes(const HandlerContext& context);

void add_system_routes(Routes& routes, const HandlerContext& context);
void add_build_routes(Routes& routes, const HandlerContext& context);
void add_history_routes(Routes& routes, const HandlerContext& context);
void add_credential_routes(Routes& routes, const HandlerContext& context);
void add_image_routes(Routes& routes, const HandlerContext& context);
void add_transfer_routes(Routes& routes, const HandlerContext& context);
void add_store_routes(Routes& routes, const HandlerContext& context);
void add_cache_mount_routes(Routes& routes, const HandlerContext& context);
void add_debug_routes(Routes& routes, const HandlerContext& context);

/// The caller of a streaming request. Descriptors get the names in `roles`; throws
/// Error{invalid_input} when their number differs or a role comes twice. Events
/// and credentials are connected when its job starts.
[[nodiscard]] Caller make_caller(Request& request, const std::vector<std::string>& roles);

/// Connects the caller to its client: events, and the question for credentials.
void connect_caller(Caller& caller, EventSink events, Tickets& tickets);

}  // namespace kiln::daemon
