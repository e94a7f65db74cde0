#include "builder/prepare.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "builder/dockerfile/dockerignore.h"
#include "builder/ops/image_source.h"
#include "builder/os/offload.h"
#include "builder/os/task_group.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxDockerfileBytes = 16 * 1024 * 1024;
constexpr std::size_t kMaxIgnoreBytes = 4 * 1024 * 1024;

os::Fd take_descriptor(Caller& caller, std::string_view role) {
  const auto found = caller.descriptors.find(std::string(role));
  return found == caller.descriptors.end() ? os::Fd() : std::move(found->second);
}

/// The whole of a regular file: a pipe would hold up the pool until somebody writes to it.
std::string read_regular(const os::Fd& file, const std::string& name, std::size_t limit_bytes) {
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) throw system_error(errno, "stat " + name);
  if (!S_ISREG(status.st_mode)) throw Error(Errc::invalid_input, "{}: not a regular file", name);
  return os::read_all(file.get(), name, limit_bytes);
}

/// The patterns of <Dockerfile>.dockerignore where the client found one, else of the context's own.
std::vector<std::string> read_ignore(const os::Fd& beside_dockerfile,
                                     const ops::ClientDirectory& context,
                                     const std::string& dockerfile_name) {
  if (beside_dockerfile) {
    const std::string name = dockerfile_name + ".dockerignore";
    return dockerfile::parse_ignore_file(name,
                                         read_regular(beside_dockerfile, name, kMaxIgnoreBytes));
  }
  const os::ActAs as_peer(context.peer);
  const std::optional<os::Fd> file =
      context.root.try_open_at(".dockerignore", O_RDONLY | O_NONBLOCK, os::Links::beneath);
  if (!file) return {};
  return dockerfile::parse_ignore_file(".dockerignore",
                                       read_regular(*file, ".dockerignore", kMaxIgnoreBytes));
}

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

asio::awaitable<void> resolve_need(const dockerfile::ImageNeed& need,
                                   bool pull,
                                   const BuildInputs& inputs,
                                   Services::Parts& parts,
                                   dockerfile::ResolvedImages& known) {
  try {
    ops::ResolvedReference resolved = co_await ops::resolve_reference(
        need.reference, need.platform, pull, inputs.client.credentials, *parts.workshop);
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
                                         Services::Parts& parts) {
  os::Fd dockerfile = take_descriptor(caller, role::kDockerfile);
  os::Fd context = take_descriptor(caller, role::kContext);
  const os::Fd ignore = take_descriptor(caller, role::kDockerignore);
  if (!dockerfile) throw Error(Errc::invalid_input, "the request has no Dockerfile descriptor");
  if (!context) throw Error(Errc::invalid_input, "the request has no context descriptor");
  const auto directory = std::make_shared<const ops::ClientDirectory>(
      os::Dir(std::move(context)), caller.peer, "the build context " + request.context_name);
  auto read = [&] {
    std::string text = read_regular(dockerfile, request.dockerfile_name, kMaxDockerfileBytes);
    return BuildInputs{dockerfile::Document::parse(request.dockerfile_name, std::move(text)),
                       read_ignore(ignore, *directory, request.dockerfile_name),
                       {{{"context", directory}}, caller.credentials}};
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

asio::awaitable<dockerfile::Lowered> plan(const BuildInputs& inputs,
                                          dockerfile::LowerOptions options,
                                          bool pull,
                                          Services::Parts& parts) {
  dockerfile::ResolvedImages known;
  while (true) {
    const std::vector<dockerfile::ImageNeed> needs =
        dockerfile::missing_images(inputs.document, options, known);
    if (needs.empty()) break;
    std::vector<asio::awaitable<void>> tasks;
    for (const dockerfile::ImageNeed& need : needs)
      tasks.push_back(resolve_need(need, pull, inputs, parts, known));
    co_await os::all_of(std::move(tasks));
  }
  auto work = [&] { return dockerfile::lower(inputs.document, options, known); };
  co_return co_await os::offload(parts.pool, work);
}

}  // namespace kiln
