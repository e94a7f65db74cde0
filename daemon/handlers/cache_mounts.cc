// GET and DELETE /kiln/v1/cache-mounts, POST /kiln/v1/cache-mounts/{save,load}
#include "builder/cache_mounts.h"

#include "daemon/handlers/handlers.h"
#include "proto/error.h"

namespace kiln::daemon {

namespace {

using boost::asio::awaitable;
using Work = awaitable<Finished> (*)(CacheTransferRequest, Caller&, Services&);

awaitable<Reply> get_cache_mounts(Request, Services& services) {
  co_return Reply{200, to_json(co_await list_cache_mounts(services))};
}

awaitable<Reply> delete_cache_mounts(Request request, Services& services) {
  const std::string id = request.parameter("id");
  const CacheMountsRemoved removed = co_await remove_cache_mounts(id, services);
  request.log.info("removed the cache mount {}: {} bytes", id, removed.freed_bytes);
  co_return Reply{200, to_json(removed)};
}

/// Keeps the caller alive while `work` runs, and says in every failure which archive it was.
awaitable<Finished> run(Work work,
                        CacheTransferRequest message,
                        Caller caller,
                        EventSink events,
                        const HandlerContext& context) {
  connect_caller(caller, std::move(events), context.tickets);
  const std::string archive = message.archive_name;
  try {
    co_return co_await work(std::move(message), caller, context.services);
  } catch (Error& error) {
    if (!archive.empty() && error.code() != Errc::not_found) error.add_context(archive);
    throw;
  }
}

Job prepare(Work work, Request request, const HandlerContext& context) {
  auto message = from_json<CacheTransferRequest>(request.body);
  Caller caller = make_caller(request, message.descriptors);
  request.log.info("{} {}", request.path, message.id);
  return [work, message = std::move(message), caller = std::move(caller),
          &context](EventSink events) mutable {
    return run(work, std::move(message), std::move(caller), std::move(events), context);
  };
}

}  // namespace

void add_cache_mount_routes(Routes& routes, const HandlerContext& context) {
  const auto reply = [&](const char* method, awaitable<Reply> (*answer)(Request, Services&)) {
    routes.add(method, "/kiln/v1/cache-mounts", ReplyHandler([answer, &context](Request request) {
                 return answer(std::move(request), context.services);
               }));
  };
  const auto stream = [&](const char* path, Work work) {
    routes.add("POST", path, StreamHandler([work, &context](Request request) {
                 return prepare(work, std::move(request), context);
               }));
  };
  reply("GET", get_cache_mounts);
  reply("DELETE", delete_cache_mounts);
  stream("/kiln/v1/cache-mounts/save", save_cache_mount);
  stream("/kiln/v1/cache-mounts/load", load_cache_mount);
}

}  // namespace kiln::daemon
