// What a user sees while the daemon works. The renderers behind it are pure (events and a time in,
// text out); a Progress only adds the clock and the descriptor.
//
// Progress goes to stderr; only `json` (every event, as received) and `quiet` (the image's digest)
// write to stdout.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proto/messages.h"

namespace kiln::cli {

enum class ProgressMode { automatic, tty, plain, json, quiet };

/// Throws UsageError naming `word`.
[[nodiscard]] ProgressMode parse_progress_mode(std::string_view word);

class Progress {
 public:
  virtual ~Progress() = default;

  /// Shows one event; `line` is its JSON as received.
  virtual void event(const BuildEvent& event, std::string_view line) = 0;

  /// Called after every batch of events and, where redraw_interval says so, as time passes.
  virtual void redraw() {}
  [[nodiscard]] virtual std::optional<std::chrono::milliseconds> redraw_interval() const {
    return std::nullopt;
  }
};

struct ProgressOptions {
  ProgressMode mode = ProgressMode::automatic;
  std::string title{};        ///< what is going on: "Building", "Pulling"
  bool explain = false;       ///< why each step was not cached
  bool stdout_taken = false;  ///< an output goes there: `quiet` prints no digest
};

/// Throws UsageError when `json` and an output both want stdout.
[[nodiscard]] std::unique_ptr<Progress> make_progress(const ProgressOptions& options);

}  // namespace kiln::cli
