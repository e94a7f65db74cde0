// How a failure is told, whatever the progress looked like. Pure.
#pragma once

#include <string>

#include "proto/messages.h"

namespace kiln::cli {

struct ReportOptions {
  std::string step_name{};  ///< of Failed::step, "" when not known
  bool log_shown = false;   ///< the step's output was already shown
};

/// The last lines of the step's log when they were not shown, the message, a RUN's exit code.
/// Each line is harmless for a terminal.
[[nodiscard]] std::string failure_report(const Failed& failed, const ReportOptions& options);

/// `text`, which may have several lines, harmless for a terminal.
[[nodiscard]] std::string sanitize_lines(std::string_view text);

}  // namespace kiln::cli
