#include "builder/ops/git_remote.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include "builder/graph/file_name.h"
#include "proto/base64.h"
#include "proto/error.h"

namespace kiln::ops {

namespace asio = boost::asio;

namespace {

/// A URL in parts; `scheme` is "" for "user@host:path".
struct Parts {
  std::string scheme;
  std::string userinfo;
  std::string host;  ///< with its port
  std::string rest;
};

Parts split(const std::string& remote) {
  const std::size_t colon = remote.find("://");
  if (colon == std::string::npos) return {"", "", "", remote};
  const std::size_t begin = colon + 3;
  const std::size_t slash = std::min(remote.find('/', begin), remote.size());
  const std::string authority = remote.substr(begin, slash - begin);
  const std::size_t at = authority.rfind('@');
  Parts parts{remote.substr(0, colon), "", authority, remote.substr(slash)};
  if (at != std::string::npos) {
    parts.userinfo = authority.substr(0, at);
    parts.host = authority.substr(at + 1);
  }
  return parts;
}

/// git takes what begins with '-' for an option, "ext::..." for a command to run, a path for a
/// repository of the daemon's host.
void check_remote(const std::string& remote, const Parts& parts) {
  static constexpr std::array kSchemes{"http", "https", "ssh", "git"};
  const bool known = std::ranges::find(kSchemes, parts.scheme) != kSchemes.end();
  const std::size_t colon = remote.find(':');
  const std::size_t at = remote.find('@');
  const bool scp = parts.scheme.empty() && at != std::string::npos && colon != std::string::npos &&
                   at < colon && !remote.substr(colon).starts_with("::") &&
                   !remote.substr(0, colon).contains('/');
  const bool control =
      std::ranges::any_of(remote, [](unsigned char c) { return std::iscntrl(c) != 0; });
  const bool option = remote.starts_with('-') || parts.host.starts_with('-') ||
                      (scp && remote.substr(at + 1).starts_with('-'));
  if ((known || scp) && !control && !option) return;
  throw Error(Errc::invalid_input,
              "\"{}\" is no git repository: want http, https, ssh or git, or user@host:path",
              remote);
}

/// A token for github.com serves for its repositories' submodules there too.
/// source: BuildKit's source/git, tokenScope.
std::string scope_of(const std::string& url) {
  for (const std::string_view prefix : {"https://github.com/", "https://www.github.com/"}) {
    if (url.starts_with(prefix)) return std::string(prefix);
  }
  return url;
}

std::string authorization(const Parts& parts, const ClientSecrets& secrets) {
  // BuildKit's HOST has the port; a host without it is what people write.
  const std::string name = parts.host.substr(0, parts.host.find_last_not_of("0123456789"));
  const bool has_port = name.size() < parts.host.size() && parts.host[name.size()] == ':';
  for (const std::string& suffix :
       {"." + parts.host, "." + (has_port ? name : parts.host), std::string()}) {
    if (const auto header = secrets.secret("GIT_AUTH_HEADER" + suffix))
      return std::string(header->view());
    if (const auto token = secrets.secret("GIT_AUTH_TOKEN" + suffix))
      return "basic " + base64_encode(fmt::format("x-access-token:{}", token->view()));
  }
  if (parts.userinfo.empty()) return "";
  const std::string decoded = graph::percent_decoded(parts.userinfo);
  return "Basic " + base64_encode(decoded.contains(':') ? decoded : decoded + ":");
}

bool contains_any(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::any_of(words, [text](std::string_view word) { return text.contains(word); });
}

}  // namespace

GitCommand GitRemote::command(std::vector<std::string> args) const {
  GitCommand command;
  command.args = std::move(args);
  command.config = config;
  command.ssh_agent = ssh_agent;
  return command;
}

Error GitRemote::failure(const GitOutput& output) const {
  const std::string cause = output.cause();
  if (contains_any(cause, {"publickey", "Host key verification"})) {
    return {Errc::denied, "{}: {}; pass a key with --ssh default, or check the host's key", url,
            cause};
  }
  if (contains_any(cause, {"Authentication failed", "could not read Username", "error: 403",
                           "error: 401", "not found"})) {
    return {Errc::denied,
            "{}: {}; if it is private, pass --secret id=GIT_AUTH_TOKEN or id=GIT_AUTH_HEADER", url,
            cause};
  }
  return {Errc::unavailable, "{}: {}", url, cause};
}

asio::awaitable<GitRemote> open_remote(std::string remote, GitAccess access) {
  const Parts parts = split(remote);
  check_remote(remote, parts);
  GitRemote opened{remote, {}, std::move(access.ssh_agent)};
  if (parts.scheme != "http" && parts.scheme != "https") co_return opened;
  opened.url = fmt::format("{}://{}{}", parts.scheme, parts.host, parts.rest);
  const std::string header = authorization(parts, access.secrets);
  if (header.empty()) co_return opened;
  const bool sound = std::ranges::none_of(
      header, [](unsigned char c) { return std::iscntrl(c) != 0 && c != '\t'; });
  if (!sound) {
    throw Error(Errc::invalid_input,
                "{}: the secret for it has control characters; a line end after the token, perhaps",
                opened.url);
  }
  opened.config = {{"http." + scope_of(opened.url) + ".extraHeader", "Authorization: " + header},
                   {"http.followRedirects", "false"}};
  co_return opened;
}

}  // namespace kiln::ops
