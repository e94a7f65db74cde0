// Runs git for strangers: what a repository, a server or a URL says is never trusted.
//
// git sees none of the daemon's configuration, hooks, keys or credentials, asks nobody, and speaks
// only the protocols that Kiln knows. Credentials go by environment, which only root can read.
// Thread: the event loop's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "builder/os/process.h"
#include "builder/solver/executor.h"

namespace kiln::ops {

struct GitCommand {
  std::vector<std::string> args;                            ///< after "git"
  std::vector<std::pair<std::string, std::string>> config;  ///< for this run only
  std::filesystem::path git_dir;                            ///< "": none
  std::filesystem::path work_tree;                          ///< "": none; else where git runs
  std::filesystem::path ssh_agent;                          ///< a socket; "": none
  bool reads_local_paths = false;                           ///< file:// URLs, ours
};

struct GitOutput {
  os::ExitStatus status;
  std::string out;  ///< at most 1 MiB
  std::string err;  ///< its last 64 KiB

  /// What git says the failure is: the lines that begin with "fatal:", "error:" or "remote:", else
  /// the last one.
  [[nodiscard]] std::string cause() const;
};

/// Runs git to its end; its words on stderr go to `listener` too, line by line. A git that says
/// nothing for five minutes is killed, with all that it started: Error{unavailable}. Files are made
/// with umask 022. Throws Error{not_found} when git is not installed.
boost::asio::awaitable<GitOutput> run_git(GitCommand command, solver::Listener listener);

/// The same; what it printed. Throws Error{unavailable} with git's own words when it fails.
boost::asio::awaitable<std::string> must_git(GitCommand command, solver::Listener listener);

}  // namespace kiln::ops
