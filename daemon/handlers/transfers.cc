// POST /kiln/v1/images/{pull,push,save,load}
#include "builder/images.h"
#include "daemon/handlers/handlers.h"
#include "proto/error.h"

namespace kiln::daemon {

namespace {

using boost::asio::awaitable;

using Transfer = awaitable<Finished> (*)(TransferRequest, Caller&, Services&);
using Archive = awaitable<Finished> (*)(SaveRequest, Caller&, Services&);

awaitable<Finished> load(SaveRequest, Caller& caller, Services& services) {
  return load_images(caller, services);
}

/// Says in every failure which archive it was.
awaitable<Finished> named(Archive work, SaveRequest request, Caller& caller, Services& services) {
  const std::string name = request.archive_name;
  try {
    co_return co_await work(std::move(request), caller, services);
  } catch (Error& error) {
    if (!name.empty()) error.add_context(name);
    throw;
  }
}

awaitable<Finished> named_save(SaveRequest request, Caller& caller, Services& services) {
  return named(save_images, std::move(request), caller, services);
}

awaitable<Finished> named_load(SaveRequest request, Caller& caller, Services& services) {
  return named(load, std::move(request), caller, services);
}

/// Keeps the caller alive while `work` runs.
template <class Message>
awaitable<Finished> run(awaitable<Finished> (*work)(Message, Caller&, Services&),
                        Message message,
                        Caller caller,
                        EventSink events,
                        const HandlerContext& context) {
  connect_caller(caller, std::move(events), context.tickets);
  co_return co_await work(std::move(message), caller, context.services);
}

template <class Message>
Job make_job(awaitable<Finished> (*work)(Message, Caller&, Services&),
             Message message,
             Caller caller,
             const HandlerContext& context) {
  return [work, message = std::move(message), caller = std::move(caller),
          &context](EventSink events) mutable {
    return run(work, std::move(message), std::move(caller), std::move(events), context);
  };
}

Job prepare_transfer(Transfer work, Request request, const HandlerContext& context) {
  auto message = from_json<TransferRequest>(request.body);
  if (message.reference.empty()) {
    throw Error(Errc::invalid_input, "{}: the field \"reference\" is missing", request.path);
  }
  request.log.info("{} {}", request.path, message.reference);
  Caller caller = make_caller(request, {});
  return make_job(work, std::move(message), std::move(caller), context);
}

Job prepare_archive(Archive work,
                    std::string_view role,
                    Request request,
                    const HandlerContext& context) {
  auto message = from_json<SaveRequest>(request.body);
  Caller caller = make_caller(request, message.descriptors);
  if (!caller.descriptors.contains(std::string(role))) {
    throw Error(Errc::invalid_input, "{}: a file descriptor with the role \"{}\" must come with it",
                request.path, role);
  }
  request.log.info("{} {}", request.path, fmt::join(message.references, ", "));
  return make_job(work, std::move(message), std::move(caller), context);
}

}  // namespace

void add_transfer_routes(Routes& routes, const HandlerContext& context) {
  const auto transfer = [&](const char* path, Transfer work) {
    routes.add("POST", path, StreamHandler([work, &context](Request request) {
                 return prepare_transfer(work, std::move(request), context);
               }));
  };
  const auto archive = [&](const char* path, Archive work, std::string role) {
    routes.add("POST", path,
               StreamHandler([work, role = std::move(role), &context](Request request) {
                 return prepare_archive(work, role, std::move(request), context);
               }));
  };
  transfer("/kiln/v1/images/pull", pull_image);
  transfer("/kiln/v1/images/push", push_image);
  archive("/kiln/v1/images/save", named_save, std::string(role::kOutput) + "0");
  archive("/kiln/v1/images/load", named_load, std::string(role::kContext));
}

}  // namespace kiln::daemon
