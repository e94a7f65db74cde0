#include "cli/commands/build_flags.h"

#include <charconv>

#include "cli/commands/csv.h"
#include "cli/errors.h"
#include "proto/platform.h"
#include "proto/reference.h"

namespace kiln::cli {

namespace {

void require(std::string_view flag, const std::string& value, const std::function<void()>& parse) {
  try {
    parse();
  } catch (const Error& error) {
    throw UsageError("{} \"{}\": {}", flag, value, error.what());
  }
}

void check_image_name(const std::string& name) {
  if (Reference::parse(name).digest)
    throw Error(Errc::invalid_input, "a name that is given to an image cannot have a digest");
}

std::pair<std::string, std::string> split_pair(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos) return {text, ""};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

/// "name=soft[:hard]"; what the numbers may be is for the daemon to say.
void check_ulimit(const std::string& text) {
  const auto [name, values] = split_pair(text);
  if (name.empty() || values.empty())
    throw UsageError("--ulimit \"{}\": write NAME=SOFT[:HARD]", text);
}

void add_build_args(const BuildFlags& flags,
                    const Environment& environment,
                    BuildRequest& request) {
  // As buildx does: a reproducible build's time needs no flag.
  if (const auto epoch = environment("SOURCE_DATE_EPOCH"); epoch && !epoch->empty())
    request.build_args["SOURCE_DATE_EPOCH"] = *epoch;
  for (const std::string& text : flags.build_args) {
    const auto [name, value] = split_pair(text);
    if (name.empty())
      throw UsageError("--build-arg \"{}\": the name is missing; write NAME=VALUE", text);
    if (text.size() > name.size()) {
      request.build_args[name] = value;
    } else if (const auto from_environment = environment(name)) {
      request.build_args[name] = *from_environment;
    }
  }
}

/// The image name of a context, which "::OS/ARCH" may follow.
void check_context_name(const std::string& name) {
  const std::size_t mark = name.find("::");
  (void)Reference::parse(name.substr(0, mark));
  if (mark != std::string::npos) (void)Platform::parse(name.substr(mark + 2));
}

void add_contexts(const BuildFlags& flags, BuildRequest& request) {
  for (const std::string& text : flags.build_contexts) {
    const auto [name, value] = split_pair(text);
    if (name.empty() || value.empty())
      throw UsageError("--build-context \"{}\": write NAME=VALUE", text);
    require("--build-context", text, [&name] { check_context_name(name); });
    if (value.starts_with("target:"))
      throw UsageError(
          "--build-context \"{}\": targets are known to bake files only; a stage of the same "
          "Dockerfile needs no context",
          text);
    request.named_contexts[name] = value;
  }
}

void add_labels(const BuildFlags& flags, BuildRequest& request) {
  for (const std::string& text : flags.labels) {
    const auto [name, value] = split_pair(text);
    if (name.empty())
      throw UsageError("--label \"{}\": the name is missing; write NAME=VALUE", text);
    request.labels[name] = value;
  }
}

void add_platforms(const BuildFlags& flags, BuildRequest& request) {
  for (const std::string& text : flags.platforms) {
    for (const std::string& name : split_csv("--platform", text)) {
      require("--platform", name,
              [&] { request.platforms.push_back(Platform::parse(name).str()); });
    }
  }
}

void add_no_cache(const BuildFlags& flags, BuildRequest& request) {
  for (const std::string& text : flags.no_cache) {
    if (text == "true" || text == "false") {
      request.no_cache = text == "true";
      continue;
    }
    for (const std::string& stage : split_csv("--no-cache", text)) {
      if (!stage.empty()) request.no_cache_stages.push_back(stage);
    }
  }
}

/// "name:address" of docker's "name:address" and "name=address".
std::string parse_add_host(const std::string& text) {
  std::string host = text;
  const std::size_t separator = host.find_first_of("=:");
  if (separator == std::string::npos || separator == 0 || separator + 1 == host.size())
    throw UsageError("--add-host \"{}\": write NAME:ADDRESS", text);
  host[separator] = ':';
  return host;
}

/// Takes the attributes that say the same as --push and --tag out of an output.
void move_to_request(Output& output, const std::string& text, BuildRequest& request) {
  if (const auto push = output.attributes.extract("push"); !push.empty()) {
    if (push.mapped() != "true" && push.mapped() != "false")
      throw UsageError("--output \"{}\": push=\"{}\" is neither true nor false", text,
                       push.mapped());
    request.push = request.push || push.mapped() == "true";
  }
  if (const auto names = output.attributes.extract("name"); !names.empty()) {
    for (const std::string& name : split_csv("--output", names.mapped())) {
      require("--output name", name, [&] { check_image_name(name); });
      request.tags.push_back(name);
    }
  }
}

void add_outputs(const BuildFlags& flags, BuildRequest& request) {
  int to_stdout = 0;
  for (const std::string& text : flags.outputs) {
    Output output = parse_output(text);
    move_to_request(output, text, request);
    const auto dest = output.attributes.find("dest");
    if (dest != output.attributes.end() && dest->second == "-") ++to_stdout;
    request.outputs.push_back(std::move(output));
  }
  if (to_stdout > 1)
    throw UsageError("--output: only one can go to stdout; give the others a dest=PATH");
}

}  // namespace

Output parse_output(const std::string& text) {
  const std::vector<std::string> fields = split_csv("--output", text);
  if (text.empty()) throw UsageError("--output: the value is empty; write type=TYPE[,dest=PATH]");
  Output output;
  if (fields.size() == 1 && !text.contains('=')) {
    output.type = text == "-" ? "tar" : "local";
    output.attributes["dest"] = text;
    return output;
  }
  for (const std::string& field : fields) {
    const auto [key, value] = split_pair(field);
    if (key.empty() || !field.contains('='))
      throw UsageError("--output \"{}\": \"{}\" is not KEY=VALUE", text, field);
    if (key == "type") {
      output.type = value;
    } else {
      output.attributes[key] = value;
    }
  }
  if (output.type == "registry") {  // docker's short form
    output.type = "image";
    output.attributes["push"] = "true";
  }
  const bool is_archive = output.type == "oci" || output.type == "docker" || output.type == "tar";
  if (output.type != "image" && output.type != "local" && !is_archive)
    throw UsageError("--output \"{}\": type \"{}\" is not one of image, oci, docker, tar, local",
                     text, output.type);
  for (const auto& [key, value] : output.attributes) {
    const bool known = key == "dest" || (key == "push" && output.type == "image") ||
                       (key == "name" && (output.type == "image" || output.type == "oci" ||
                                          output.type == "docker"));
    if (!known)
      throw UsageError("--output \"{}\": type {} has no attribute \"{}\"", text, output.type, key);
  }
  std::string& dest = output.attributes["dest"];
  if (dest.empty() && is_archive) dest = "-";
  if (output.type == "local" && (dest.empty() || dest == "-"))
    throw UsageError("--output \"{}\": type local needs dest=DIRECTORY", text);
  if (output.type == "image") {
    if (!dest.empty()) throw UsageError("--output \"{}\": type image has no dest", text);
    output.attributes.erase("dest");
  }
  return output;
}

CacheOption parse_cache(std::string_view flag, const std::string& text) {
  CacheOption option;
  if (text.empty()) throw UsageError("{}: the value is empty; write type=registry,ref=NAME", flag);
  if (!text.contains('=')) {
    require(flag, text, [&] { (void)Reference::parse(text); });
    option.type = "registry";
    option.attributes["ref"] = text;
    return option;
  }
  for (const std::string& field : split_csv(flag, text)) {
    const auto [key, value] = split_pair(field);
    if (key.empty() || !field.contains('='))
      throw UsageError("{} \"{}\": \"{}\" is not KEY=VALUE", flag, text, field);
    if (key == "type") {
      option.type = value;
    } else {
      option.attributes[key] = value;
    }
  }
  if (option.type.empty())
    throw UsageError("{} \"{}\": type=registry, inline or local is missing", flag, text);
  return option;
}

std::int64_t parse_size(std::string_view flag, const std::string& text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  std::string unit(rest, end);
  for (char& c : unit)
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (unit.ends_with("ib") && unit.size() == 3) unit.resize(1);
  if (unit.ends_with('b') && unit.size() == 2) unit.resize(1);
  constexpr std::string_view kUnits = "bkmgt";
  const std::size_t power = unit.empty()       ? 0
                            : unit.size() == 1 ? kUnits.find(unit[0])
                                               : std::string::npos;
  if (error != std::errc() || power == std::string_view::npos || number <= 0 ||
      number > INT64_MAX >> (10 * power))
    throw UsageError("{} \"{}\": not a size such as 64m or 1g", flag, text);
  return number << (10 * power);
}

Call parse_call(const BuildFlags& flags) {
  Call call;
  if (flags.check) call.method = "check";
  for (const std::string& field : split_csv("--call", flags.call)) {
    const auto [key, value] = split_pair(field);
    if (key == "format" && (value == "json" || value == "text")) {
      call.json = value == "json";
    } else if (key == "ignorestatus" && (value == "true" || value == "false")) {
      call.ignore_status = value == "true";
    } else if (!field.empty()) {
      call.method = field == "lint" ? "check" : field;
    }
  }
  if (call.method == "build") call.method.clear();
  if (!call.method.empty() && call.method != "check" && call.method != "outline" &&
      call.method != "targets")
    throw UsageError(
        "--call \"{}\": not one of build, check, outline, targets, with ,format=json for JSON",
        flags.call);
  return call;
}

BuildRequest to_request(const BuildFlags& flags, const Environment& environment) {
  BuildRequest request;
  for (const std::string& tag : flags.tags)
    require("--tag", tag, [&] { check_image_name(tag); });
  request.call = parse_call(flags).method;
  request.tags = flags.tags;
  request.context_name = flags.context;
  request.target = flags.target;
  add_build_args(flags, environment, request);
  add_contexts(flags, request);
  add_labels(flags, request);
  add_platforms(flags, request);
  request.push = flags.push;
  add_outputs(flags, request);
  if (!request.call.empty()) {  // nothing is made that could go anywhere
    request.push = false;
    request.outputs.clear();
  }
  request.pull = flags.pull;
  add_no_cache(flags, request);
  if (!flags.network.empty() && flags.network != "default" && flags.network != "host" &&
      flags.network != "none")
    throw UsageError("--network \"{}\": not one of default, host, none", flags.network);
  request.network = flags.network;
  for (const std::string& host : flags.add_hosts)
    request.add_hosts.push_back(parse_add_host(host));
  for (const std::string& limit : flags.ulimits)
    check_ulimit(limit);
  request.ulimits = flags.ulimits;
  if (!flags.shm_size.empty()) request.shm_size_bytes = parse_size("--shm-size", flags.shm_size);
  request.allow = flags.allow;
  for (const std::string& text : flags.cache_from)
    request.cache_from.push_back(parse_cache("--cache-from", text));
  for (const std::string& text : flags.cache_to)
    request.cache_to.push_back(parse_cache("--cache-to", text));
  return request;
}

}  // namespace kiln::cli
