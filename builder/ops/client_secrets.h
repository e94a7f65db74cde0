// Secrets and SSH agents that a client lends to one build.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "builder/os/fd.h"
#include "builder/os/peer.h"
#include "builder/os/secret.h"

namespace kiln::ops {

/// A socket of the client behind which an agent listens (agent_socket.h speaks with it).
struct ClientAgent {
  os::Fd socket;  ///< O_PATH
  os::Peer peer;  ///< with whose rights it is connected to
};

/// By the ids that --secret and --ssh gave them. Values are in memory only, never in a key, a log
/// or an error. Copies share them; work that outlives the build keeps them alive.
class ClientSecrets {
 public:
  /// Takes the descriptors of the roles "secret:ID" and "ssh:ID" (proto/messages.h) and reads the
  /// secrets. Throws Error naming the id. Blocks.
  static ClientSecrets take(std::map<std::string, os::Fd>& descriptors, const os::Peer& peer);

  void add(std::string id, os::Secret value);
  void add(std::string id, ClientAgent agent);

  /// nullptr when the client gave none of this id.
  [[nodiscard]] std::shared_ptr<const os::Secret> secret(std::string_view id) const;
  /// The same; an agent that was given without an id is "default".
  [[nodiscard]] std::shared_ptr<const ClientAgent> agent(std::string_view id) const;

 private:
  std::map<std::string, std::shared_ptr<const os::Secret>, std::less<>> secrets_;
  std::map<std::string, std::shared_ptr<const ClientAgent>, std::less<>> agents_;
};

}  // namespace kiln::ops
