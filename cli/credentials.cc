#include "cli/credentials.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/fd.h"
#include "cli/process.h"
#include "proto/base64.h"
#include "proto/reference.h"

namespace kiln::cli {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// What docker calls Docker Hub in config.json and towards helpers.
constexpr std::string_view kHubServer = "https://index.docker.io/v1/";
/// The user name that marks the secret as an identity token.
constexpr std::string_view kTokenUser = "<token>";

Json load(const std::string& path) {
  if (!fs::exists(path)) return Json::object();
  Json json = Json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) throw Error(Errc::invalid_input, "{} is not a JSON object", path);
  return json;
}

void save(const std::string& path, const Json& json) {
  const fs::path folder = fs::path(path).parent_path();
  if (!fs::exists(folder)) {
    fs::create_directories(folder);
    fs::permissions(folder, fs::perms::owner_all);
  }
  // A link to a file kept elsewhere stays a link.
  const std::string target = fs::exists(path) ? fs::canonical(path).string() : path;
  replace_file(target, json.dump(1, '\t') + "\n", 0600);
}

std::string text(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string server_of(const std::string& registry) {
  return registry == kDockerHub ? std::string(kHubServer) : registry;
}

/// The entry of `map` whose key means this registry; null when there is none.
Json entry(const Json& config, const char* map, const std::string& registry) {
  const auto found = config.find(map);
  if (found == config.end() || !found->is_object()) return nullptr;
  if (const auto exact = found->find(server_of(registry)); exact != found->end()) return *exact;
  for (const auto& [key, value] : found->items()) {
    if (registry_of(key) == registry) return value;
  }
  return nullptr;
}

/// The name X of the docker-credential-X that keeps this registry's credentials; "" for none.
std::string helper_of(const Json& config, const std::string& registry) {
  const Json own = entry(config, "credHelpers", registry);
  return own.is_string() ? own.get<std::string>() : text(config, "credsStore");
}

/// Runs docker-credential-NAME VERB; nullopt when it says that it has no such credentials.
std::optional<std::string> run_helper(const std::string& name,
                                      const char* verb,
                                      const std::string& input) {
  if (name.contains('/'))
    throw Error(Errc::invalid_input, "credential helper \"{}\": the name has a slash", name);
  const std::string program = "docker-credential-" + name;
  const auto result = run_process({program, verb}, input);
  if (!result)
    throw Error(Errc::not_found, "{} is not in PATH; install it, or take it out of config.json",
                program);
  if (result->exit_code == 0) return result->output;
  // source: docker-credential-helpers credentials/error.go
  if (result->output.starts_with("credentials not found")) return std::nullopt;
  std::string reason = result->output.empty() ? result->errors : result->output;
  while (reason.ends_with('\n'))
    reason.pop_back();
  throw Error(Errc::denied, "{} {}: exit code {}: {}", program, verb, result->exit_code, reason);
}

Credentials with_secret(std::string username, std::string secret) {
  if (username == kTokenUser) return {"", "", std::move(secret)};
  return {std::move(username), std::move(secret), ""};
}

bool has_any(const Credentials& credentials) {
  return !credentials.password.empty() || !credentials.identity_token.empty();
}

Credentials ask_helper(const std::string& name, const std::string& registry) {
  const auto answer = run_helper(name, "get", server_of(registry));
  if (!answer) return {};
  const Json json = Json::parse(*answer, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    throw Error(Errc::corrupt, "docker-credential-{} get: the answer is not a JSON object", name);
  return with_secret(text(json, "Username"), text(json, "Secret"));
}

Credentials from_auths(const Json& config, const std::string& registry, const std::string& path) {
  const Json auth = entry(config, "auths", registry);
  if (!auth.is_object()) return {};
  Credentials found = with_secret(text(auth, "username"), text(auth, "password"));
  if (const std::string encoded = text(auth, "auth"); !encoded.empty()) {
    const std::string pair = within(fmt::format("{}: auths of {}", path, registry),
                                    [&] { return base64_decode(encoded); });
    const std::size_t colon = pair.find(':');
    if (colon == std::string::npos)
      throw Error(Errc::invalid_input, "{}: auths of {}: not user:password", path, registry);
    std::string password = pair.substr(colon + 1);
    while (password.ends_with('\0'))  // as docker reads what old versions wrote
      password.pop_back();
    found = with_secret(pair.substr(0, colon), std::move(password));
  }
  if (const std::string token = text(auth, "identitytoken"); !token.empty())
    found = {"", "", token};
  return found;
}

}  // namespace

std::string registry_of(std::string_view server) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (server.starts_with(scheme)) server.remove_prefix(scheme.size());
  }
  const std::string_view host = server.substr(0, server.find('/'));
  const bool hub = host.empty() || host == kDockerHub || host == "index.docker.io" ||
                   host == "registry-1.docker.io";
  return std::string(hub ? kDockerHub : host);
}

DockerConfig DockerConfig::of_user() {
  const char* folder = std::getenv("DOCKER_CONFIG");  // NOLINT(concurrency-mt-unsafe): one thread
  if (folder != nullptr && *folder != '\0') return DockerConfig(folder);
  const char* home = std::getenv("HOME");  // NOLINT(concurrency-mt-unsafe): one thread
  return DockerConfig(std::string(home == nullptr ? "" : home) + "/.docker");
}

Credentials DockerConfig::find(const std::string& registry) const {
  const Json config = load(path());
  const std::string helper = helper_of(config, registry);
  if (helper.empty()) return from_auths(config, registry, path());
  try {
    if (const Credentials found = ask_helper(helper, registry); has_any(found)) return found;
  } catch (const Error&) {
    // A helper that is not installed here (a config.json copied from a desktop) does not hide what
    // the file itself has.
    if (const Credentials found = from_auths(config, registry, path()); has_any(found))
      return found;
    throw;
  }
  return from_auths(config, registry, path());
}

std::string DockerConfig::store(const std::string& registry, const Credentials& credentials) const {
  Json config = load(path());
  const std::string server = server_of(registry);
  const std::string helper = helper_of(config, registry);
  Json& auths = config["auths"];
  if (!auths.is_object()) auths = Json::object();
  if (!helper.empty()) {
    const bool token = !credentials.identity_token.empty();
    const Json message{{"ServerURL", server},
                       {"Username", token ? std::string(kTokenUser) : credentials.username},
                       {"Secret", token ? credentials.identity_token : credentials.password}};
    run_helper(helper, "store", message.dump());
    auths[server] = Json::object();  // docker's mark that the helper has one
    save(path(), config);
    return "docker-credential-" + helper;
  }
  Json auth = Json::object();
  auth["auth"] = base64_encode(credentials.username + ":" + credentials.password);
  if (!credentials.identity_token.empty()) auth["identitytoken"] = credentials.identity_token;
  auths[server] = std::move(auth);
  save(path(), config);
  return path();
}

bool DockerConfig::erase(const std::string& registry) const {
  Json config = load(path());
  bool erased = false;
  if (const std::string helper = helper_of(config, registry); !helper.empty()) {
    erased = run_helper(helper, "get", server_of(registry)).has_value();
    if (erased) run_helper(helper, "erase", server_of(registry));
  }
  const auto auths = config.find("auths");
  if (auths == config.end() || !auths->is_object()) return erased;
  std::vector<std::string> keys;
  for (const auto& [key, value] : auths->items()) {
    if (registry_of(key) == registry) keys.push_back(key);
  }
  for (const std::string& key : keys)
    auths->erase(key);
  if (!keys.empty()) save(path(), config);
  return erased || !keys.empty();
}

}  // namespace kiln::cli
