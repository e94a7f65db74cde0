// The commands of kiln. Each reads its flags, asks the daemon and returns the exit code; what goes
// wrong is thrown (see errors.h).
#pragma once

#include <span>
#include <string_view>

#include "cli/client.h"
#include "cli/command_line.h"

namespace kiln::cli {

struct Command {
  std::string_view name;
  std::string_view summary;
  int (*run)(Invocation& invocation);
};

/// In the order of the help.
[[nodiscard]] std::span<const Command> all_commands();

int build_command(Invocation& invocation);
int context_command(Invocation& invocation);
int builds_command(Invocation& invocation);
int logs_command(Invocation& invocation);
int images_command(Invocation& invocation);
int inspect_command(Invocation& invocation);
int history_command(Invocation& invocation);
int tag_command(Invocation& invocation);
int rmi_command(Invocation& invocation);
int pull_command(Invocation& invocation);
int push_command(Invocation& invocation);
int save_command(Invocation& invocation);
int load_command(Invocation& invocation);
int login_command(Invocation& invocation);
int logout_command(Invocation& invocation);
int cache_command(Invocation& invocation);
int debug_command(Invocation& invocation);
int prune_command(Invocation& invocation);
int df_command(Invocation& invocation);
int fsck_command(Invocation& invocation);
int info_command(Invocation& invocation);
int version_command(Invocation& invocation);

/// The client for an invocation's --host.
[[nodiscard]] Client make_client(const Invocation& invocation, bool quiet = false);

/// The user's docker credentials, read when the daemon asks for them.
[[nodiscard]] CredentialSource user_credentials();

/// Writes a result to stdout at once.
void print(std::string_view text);

}  // namespace kiln::cli
