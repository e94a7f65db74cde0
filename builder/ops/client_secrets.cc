#include "builder/ops/client_secrets.h"

#include <sys/stat.h>

#include <cerrno>

#include "proto/error.h"
#include "proto/limits.h"
#include "proto/messages.h"

namespace kiln::ops {

namespace {

/// The id of "secret:ID"; throws for none.
std::string id_of(const std::string& role, std::string_view kind) {
  std::string id = role.substr(kind.size());
  if (id.empty()) throw Error(Errc::invalid_input, "descriptor role \"{}\": no id", role);
  return id;
}

void check_socket(const os::Fd& fd, const std::string& id) {
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) throw system_error(errno, "SSH agent " + id);
  if (!S_ISSOCK(status.st_mode)) throw Error(Errc::invalid_input, "SSH agent {}: no socket", id);
}

template <class Map>
auto find(const Map& map, std::string_view id) -> typename Map::mapped_type {
  const auto found = map.find(id);
  return found == map.end() ? nullptr : found->second;
}

}  // namespace

ClientSecrets ClientSecrets::take(std::map<std::string, os::Fd>& descriptors,
                                  const os::Peer& peer) {
  ClientSecrets taken;
  for (auto& [role, descriptor] : descriptors) {
    if (role.starts_with(role::kSecret)) {
      const os::Fd file = std::move(descriptor);
      const std::string id = id_of(role, role::kSecret);
      taken.add(id, os::Secret::read(file.get(), "secret " + id, kMaxSecretBytes));
    } else if (role.starts_with(role::kSsh)) {
      const std::string id = id_of(role, role::kSsh);
      check_socket(descriptor, id);
      taken.add(id, ClientAgent{std::move(descriptor), peer});
    }
  }
  return taken;
}

void ClientSecrets::add(std::string id, os::Secret value) {
  secrets_.insert_or_assign(std::move(id), std::make_shared<const os::Secret>(std::move(value)));
}

void ClientSecrets::add(std::string id, ClientAgent agent) {
  agents_.insert_or_assign(std::move(id), std::make_shared<const ClientAgent>(std::move(agent)));
}

std::shared_ptr<const os::Secret> ClientSecrets::secret(std::string_view id) const {
  return find(secrets_, id);
}

std::shared_ptr<const ClientAgent> ClientSecrets::agent(std::string_view id) const {
  return find(agents_, id);
}

}  // namespace kiln::ops
