#include "cli/endpoint.h"

#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/errors.h"

namespace kiln::cli {

namespace {

constexpr std::string_view kSystemSocket = "/run/kiln/kiln.sock";
constexpr std::string_view kScheme = "unix://";

std::string environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
  return value == nullptr ? "" : value;
}

}  // namespace

Endpoint default_endpoint(const EndpointHints& hints) {
  if (hints.privileged || hints.runtime_dir.empty()) return {{std::string(kSystemSocket)}, false};
  return {{hints.runtime_dir + "/kiln/kiln.sock", std::string(kSystemSocket)}, false};
}

Endpoint named_endpoint(std::string_view host, std::string_view origin) {
  std::string_view path = host;
  if (path.starts_with(kScheme)) path.remove_prefix(kScheme.size());
  if (!path.starts_with('/'))
    throw UsageError("{} \"{}\": not a socket that kiln can reach; write unix:///absolute/path",
                     origin, host);
  constexpr std::size_t kLimit = sizeof(sockaddr_un::sun_path) - 1;
  if (path.size() > kLimit)
    throw UsageError("{} \"{}\": the path has {} bytes, a Unix socket's may have {}", origin, host,
                     path.size(), kLimit);
  return {{std::string(path)}, true};
}

Endpoint find_endpoint(std::string_view host_flag) {
  if (!host_flag.empty()) return named_endpoint(host_flag, "--host");
  if (const std::string host = environment("KILN_HOST"); !host.empty())
    return named_endpoint(host, "KILN_HOST");
  return default_endpoint({::geteuid() == 0, environment("XDG_RUNTIME_DIR")});
}

}  // namespace kiln::cli
