// --secret and --ssh: opened here with the user's own rights, passed to the daemon as descriptors.
#pragma once

#include <string>
#include <vector>

#include "cli/commands/build_flags.h"
#include "cli/fd.h"
#include "cli/ssh_agent.h"
#include "proto/messages.h"

namespace kiln::cli {

/// One --secret. source: docker/buildx util/buildflags/secrets.go
struct SecretFlag {
  std::string id;
  std::string file;
  std::string variable;
};
[[nodiscard]] SecretFlag parse_secret(const std::string& text);

/// One --ssh. source: docker/buildx util/buildflags/ssh.go
struct SshFlag {
  std::string id = "default";
  std::vector<std::string> paths;  ///< empty: the agent of SSH_AUTH_SOCK
};
[[nodiscard]] SshFlag parse_ssh(const std::string& text);

/// What the daemon borrows for as long as the build lasts.
struct Lending {
  std::vector<Fd> files;
  std::vector<KeyAgent> agents;
};

/// Opens what the flags name and adds it to request.descriptors and `descriptors`. With neither
/// src= nor env=, a secret is the variable of its id's name, or else the file of that name.
/// Throws UsageError; Error for what cannot be opened, naming what was typed.
[[nodiscard]] Lending open_lending(const std::vector<std::string>& secrets,
                                   const std::vector<std::string>& ssh,
                                   const Environment& environment,
                                   BuildRequest& request,
                                   std::vector<int>& descriptors);

}  // namespace kiln::cli
