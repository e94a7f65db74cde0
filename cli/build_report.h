// A build as people read it: what it was, and where its time went. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "proto/build_history.h"

namespace kiln::cli {

/// "85us", "1.2ms", "340ms", "12.3s", "4m05s".
[[nodiscard]] std::string human_duration(std::int64_t ns);

/// The time during which at least one of the phases went on: those that run side by side count
/// once.
[[nodiscard]] std::int64_t busy_ns(const std::vector<StepPhase>& phases);

/// Time and bytes per phase, then per step, longest first; cached steps are only counted.
[[nodiscard]] std::string timings_report(const BuildDetail& detail);

/// What the build was and how it ended.
[[nodiscard]] std::string build_header(const BuildSummary& build, std::int64_t now_s);

}  // namespace kiln::cli
