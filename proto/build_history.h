// What is kept of builds: the list, one build's steps and times, its log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/messages.h"

namespace kiln {

/// An event as the daemon keeps it: when it came, in nanoseconds since its build began (of a clock
/// that is never set).
struct TimedEvent {
  std::int64_t at_ns = 0;
  BuildEvent event;
};

struct BuildSummary {
  std::string id;
  std::string status;   ///< running, done, failed, cancelled, interrupted (the daemon died)
  std::string context;  ///< as the user typed it, without what a URL may have of secrets
  std::string target;   ///< --target
  std::vector<std::string> names;  ///< that the image was to get
  std::string image_digest;        ///< "" when none was made
  std::string error;
  std::string started;  ///< RFC 3339
  std::int64_t duration_ns = 0;
  std::uint64_t steps = 0;         ///< that have ended
  std::uint64_t cached_steps = 0;  ///< of those
};

struct StepSummary {
  int step = 0;
  std::string name;
  std::string outcome;           ///< a StepOutcome, or running, interrupted
  std::int64_t start_ns = 0;     ///< since the build began
  std::int64_t duration_ns = 0;  ///< so far, of one that runs
  std::optional<StepExplained> explained;
  std::vector<StepPhase> phases;
};

/// GET /kiln/v1/builds/show
struct BuildDetail {
  BuildSummary build;
  std::vector<StepSummary> steps;  ///< in the order in which they began
  std::vector<StepPhase> phases;   ///< of no step: resolving, keys
};

/// GET /kiln/v1/builds/log: some of the log's lines.
struct BuildLogPart {
  std::uint64_t next_offset = 0;  ///< where the next part begins; the same again: there is no more
  bool running = false;           ///< more may come
  std::vector<TimedEvent> events;
};

/// POST /kiln/v1/builds/remove
struct BuildsRemoved {
  std::uint64_t builds = 0;
  std::uint64_t freed_bytes = 0;
};

/// JSON of each, on one line; from_json (messages.h) reads them.
[[nodiscard]] std::string to_json(const TimedEvent& value);
[[nodiscard]] std::string to_json(const std::vector<BuildSummary>& value);
[[nodiscard]] std::string to_json(const BuildDetail& value);
[[nodiscard]] std::string to_json(const BuildsRemoved& value);
[[nodiscard]] std::string to_json(const std::vector<StepExplained>& value);

/// A BuildLogPart of `lines`, each the JSON of a TimedEvent, as they are.
[[nodiscard]] std::string build_log_part_json(std::uint64_t next_offset,
                                              bool running,
                                              std::string_view lines);

}  // namespace kiln
