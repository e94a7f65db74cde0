#include "daemon/route.h"

#include <optional>

#include "proto/error.h"

namespace kiln::daemon {

namespace {

/// What "*" of `pattern` stands for in `path` ("" when it has none); nullopt when they differ.
std::optional<std::string> match(std::string_view pattern, std::string_view path) {
  if (!pattern.ends_with("/*")) {
    if (pattern == path) return "";
    return std::nullopt;
  }
  pattern.remove_suffix(1);
  if (!path.starts_with(pattern)) return std::nullopt;
  const std::string_view rest = path.substr(pattern.size());
  if (rest.empty() || rest.find('/') != std::string_view::npos) return std::nullopt;
  return std::string(rest);
}

}  // namespace

const std::string& Request::parameter(const std::string& name) const {
  const auto found = query.find(name);
  if (found == query.end() || found->second.empty()) {
    throw Error(Errc::invalid_input, "{} {}: the query parameter \"{}\" is missing", method, path,
                name);
  }
  return found->second;
}

void Routes::add(std::string method, std::string path, Handler handler) {
  routes_.push_back({std::move(method), std::move(path), std::move(handler)});
}

const Handler& Routes::find(Request& request) const {
  std::string methods;
  for (const Route& route : routes_) {
    auto rest = match(route.path, request.path);
    if (!rest) continue;
    if (route.method == request.method) {
      request.rest = std::move(*rest);
      return route.handler;
    }
    methods += (methods.empty() ? "" : ", ") + route.method;
  }
  if (!methods.empty()) {
    throw Error(Errc::invalid_input, "{} {}: the path has only {}", request.method, request.path,
                methods);
  }
  throw Error(Errc::not_found,
              "{} {}: no such path in this API (kilnd answers /kiln/v{}/...; is the client newer?)",
              request.method, request.path, kApiVersion);
}

}  // namespace kiln::daemon
