#include "builder/prepare.h"

#include <algorithm>
#include <charconv>

#include "builder/build_context.h"
#include "builder/image/layout.h"
#include "builder/ops/image_source.h"
#include "builder/os/cancellable.h"
#include "builder/os/offload.h"
#include "builder/os/task_group.h"
#include "builder/solver/phase_timer.h"
#include "builder/source_date.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

graph::Network to_network(std::string_view name, std::string_view flag) {
  if (name == "default") return graph::Network::standard;
  if (name == "host") return graph::Network::host;
  if (name == "none") return graph::Network::none;
  throw Error(Errc::invalid_input, "{} {}: want default, host or none", flag, name);
}

/// "nofile=1024:2048" or "nofile=1024".
graph::Ulimit to_ulimit(const std::string& text) {
  const std::size_t equals = text.find('=');
  const std::size_t colon = text.find(':', equals == std::string::npos ? 0 : equals);
  const auto number = [&text](std::string_view digits) {
    if (digits == "-1" || digits == "unlimited") return ~std::uint64_t{0};
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) {
      throw Error(Errc::invalid_input, "--ulimit {}: want name=soft[:hard]", text);
    }
    return value;
  };
  if (equals == std::string::npos || equals == 0) {
    throw Error(Errc::invalid_input, "--ulimit {}: want name=soft[:hard]", text);
  }
  const std::string_view values = std::string_view(text).substr(equals + 1);
  if (colon == std::string::npos) return {text.substr(0, equals), number(values), number(values)};
  return {text.substr(0, equals), number(values.substr(0, colon - equals - 1)),
          number(std::string_view(text).substr(colon + 1))};
}

asio::awaitable<ops::ResolvedReference> take_from_layout(const dockerfile::ImageNeed& need,
                                                         const BuildInputs& inputs,
                                                         Services::Parts& parts) {
  const OciLayout& layout = inputs.layouts.at(need.context);
  auto work = [&](std::stop_token stop) {
    const image::LayoutSource source{layout.directory->root, layout.directory->peer, layout.tag,
                                     layout.digest};
    const Digest manifest = within(layout.directory->what, [&] {
      return image::import_layout(source, need.platform, parts.store.blobs(), *inputs.lease, stop);
    });
    return ops::read_image(parts.store.blobs(), manifest);
  };
  co_return co_await os::offload_cancellable(parts.pool, work);
}

asio::awaitable<void> resolve_need(const dockerfile::ImageNeed& need,
                                   bool pull,
                                   solver::Listener listener,
                                   const BuildInputs& inputs,
                                   Services::Parts& parts,
                                   dockerfile::ResolvedImages& known) {
  try {
    solver::PhaseTimer timer(std::move(listener), Phase::resolve, need.key());
    ops::ResolvedReference resolved =
        need.in_layout
            ? co_await take_from_layout(need, inputs, parts)
            : co_await ops::resolve_reference(need.reference, need.platform, pull,
                                              inputs.client.credentials, *parts.workshop);
    timer.stop();
    known.insert_or_assign(need.key(), dockerfile::ResolvedImage{std::move(resolved.manifest),
                                                                 std::move(resolved.config)});
  } catch (const Error& error) {
    throw Error(error.code(), render(inputs.document, {fmt::format("base image {}", error.what()),
                                                       "", need.range, 0, ""}));
  }
}

}  // namespace

asio::awaitable<BuildInputs> read_inputs(const BuildRequest& request,
                                         Caller& caller,
                                         solver::Listener listener,
                                         Services::Parts& parts) {
  auto take = [&] { return ops::ClientSecrets::take(caller.descriptors, caller.peer); };
  const ops::ClientSecrets secrets = co_await os::offload(parts.pool, take);
  const BuildContext context = co_await open_context(request, caller, secrets, listener, parts);
  auto read = [&] {
    BuildFile file = read_dockerfile(context, request.dockerfile_name, caller);
    std::vector<std::string> ignore = read_ignore(context, file.name, caller);
    dockerfile::Reading reading = dockerfile::Document::read(file.name, std::move(file.text));
    NamedInputs named = open_named_contexts(request, caller);
    named.directories.emplace("context", context.directory);
    return BuildInputs{std::move(reading.document),
                       std::move(reading.mistakes),
                       std::move(ignore),
                       {std::move(named.directories), caller.credentials, secrets},
                       context.source,
                       std::move(named.contexts),
                       std::move(named.layouts),
                       std::make_shared<store::Lease>(parts.leases)};
  };
  co_return co_await os::offload(parts.pool, read);
}

dockerfile::LowerOptions to_options(const BuildRequest& request,
                                    const Platform& target,
                                    const std::vector<std::string>& ignore,
                                    const BuilderConfig& config) {
  dockerfile::LowerOptions options;
  options.target = request.target;
  options.build_args = request.build_args;
  options.labels = request.labels;
  options.build_platform = Platform::host();
  options.target_platform = target;
  options.implicit_platform = request.platforms.empty();
  options.network =
      request.network.empty() ? graph::Network::standard : to_network(request.network, "--network");
  options.no_cache = request.no_cache;
  options.no_cache_stages = request.no_cache_stages;
  options.add_hosts = request.add_hosts;
  for (const std::string& limit : request.ulimits)
    options.ulimits.push_back(to_ulimit(limit));
  options.shm_size_bytes = request.shm_size_bytes;
  options.context_ignore = ignore;
  for (const std::string& entitlement : request.allow) {
    if (std::ranges::find(config.allow, entitlement) == config.allow.end()) {
      throw Error(Errc::denied,
                  "--allow {}: this daemon does not allow it (\"allow\" in kilnd.toml)",
                  entitlement);
    }
    options.allow.push_back(entitlement);
  }
  return options;
}

void throw_mistakes(const BuildInputs& inputs, const dockerfile::LowerOptions& options) {
  if (!inputs.mistakes.empty())
    throw dockerfile::mistakes_error(inputs.document, options, inputs.mistakes);
}

asio::awaitable<dockerfile::Lowered> plan(const BuildInputs& inputs,
                                          dockerfile::LowerOptions options,
                                          bool pull,
                                          solver::Listener listener,
                                          Services::Parts& parts) {
  options.contexts = inputs.contexts;
  co_await resolve_source_date(inputs, options, parts);
  dockerfile::ResolvedImages known;
  while (true) {
    auto look = [&] { return dockerfile::missing_images(inputs.document, options, known); };
    const std::vector<dockerfile::ImageNeed> needs = co_await os::offload(parts.pool, look);
    if (needs.empty()) break;
    std::vector<asio::awaitable<void>> tasks;
    for (const dockerfile::ImageNeed& need : needs)
      tasks.push_back(resolve_need(need, pull, listener, inputs, parts, known));
    co_await os::all_of(std::move(tasks));
  }
  auto work = [&] { return dockerfile::lower(inputs.document, options, known); };
  co_return co_await os::offload(parts.pool, work);
}

}  // namespace kiln
