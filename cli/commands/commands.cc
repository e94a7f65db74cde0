#include "cli/commands/commands.h"

#include <unistd.h>

#include <array>

#include "cli/credentials.h"

namespace kiln::cli {

std::span<const Command> all_commands() {
  static constexpr std::array<Command, 22> kCommands{{
      {"build", "Build an image from a Dockerfile", build_command},
      {"debug", "Open a shell in what a failed RUN left", debug_command},
      {"context", "Show what a build sees of its context, and why", context_command},
      {"builds", "List builds, show one, where its time went and why", builds_command},
      {"logs", "Show the log of a build", logs_command},
      {"images", "List images", images_command},
      {"inspect", "Show an image's manifest and configuration", inspect_command},
      {"history", "Show the steps that made an image", history_command},
      {"tag", "Give an image another name", tag_command},
      {"rmi", "Remove image names", rmi_command},
      {"pull", "Download an image from a registry", pull_command},
      {"push", "Upload an image to a registry", push_command},
      {"save", "Write images to an archive", save_command},
      {"load", "Read images from an archive", load_command},
      {"login", "Keep credentials for a registry", login_command},
      {"logout", "Forget credentials for a registry", logout_command},
      {"cache", "List, save, load and remove cache mounts", cache_command},
      {"prune", "Remove build cache that nothing uses", prune_command},
      {"df", "Show disk usage", df_command},
      {"fsck", "Check that everything in the store is sound", fsck_command},
      {"info", "Show the daemon's settings and what it found", info_command},
      {"version", "Show the versions of kiln and of the daemon", version_command},
  }};
  return kCommands;
}

Client make_client(const Invocation& invocation, bool quiet) {
  return Client({.endpoint = find_endpoint(invocation.host), .quiet = quiet});
}

CredentialSource user_credentials() {
  return [](const std::string& registry) { return DockerConfig::of_user().find(registry); };
}

void print(std::string_view text) {
  write_all(STDOUT_FILENO, text, "stdout");
}

}  // namespace kiln::cli
