// How a failure is told, whatever the progress looked like. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proto/messages.h"

namespace kiln::cli {

struct ReportOptions {
  std::string step_name{};  ///< of Failed::step, "" when not known
  bool log_shown = false;   ///< the step's output was already shown
};

/// The last lines of the step's log when they were not shown, the message, a RUN's exit code.
/// Each line is harmless for a terminal.
[[nodiscard]] std::string failure_report(const Failed& failed, const ReportOptions& options);

/// The warnings about the Dockerfile, as they are told when all else has been; "" for none.
/// Each line is harmless for a terminal.
[[nodiscard]] std::string warnings_report(const std::vector<Warning>& warnings);

/// `text`, which may have several lines, harmless for a terminal.
[[nodiscard]] std::string sanitize_lines(std::string_view text);

}  // namespace kiln::cli
