// The record that a build leaves: every event on disk, never clipped, and its row in the database.
#pragma once

#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "proto/messages.h"

namespace kiln {

/// Writes events as they pass to the client: ROOT/builds/ID/events.ndjson. Also remembers the last
/// lines of each step, for the message of the one that fails.
class BuildLog {
 public:
  /// Makes the directory. Throws Error.
  explicit BuildLog(const std::filesystem::path& directory);

  /// Throws Error when the disk is full: a build that cannot be logged is not a build.
  void write(const BuildEvent& event);
  void flush();

  /// The last lines that the step said, at most 20, without line ends.
  [[nodiscard]] std::vector<std::string> tail(int step) const;

 private:
  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  std::filesystem::path path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::map<int, std::string> tails_;
};

}  // namespace kiln
