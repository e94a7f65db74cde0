#include "cli/progress_report.h"

#include "cli/text.h"

namespace kiln::cli {

std::string sanitize_lines(std::string_view text) {
  std::string clean;
  for (bool first = true;; first = false) {
    const std::size_t end = text.find('\n');
    if (!first) clean += '\n';
    clean += sanitize(text.substr(0, end), Colours::keep);
    if (end == std::string_view::npos) return clean;
    text.remove_prefix(end + 1);
  }
}

std::string warnings_report(const std::vector<Warning>& warnings) {
  if (warnings.empty()) return {};
  std::string text = warnings.size() == 1 ? "1 warning found:\n"
                                          : fmt::format("{} warnings found:\n", warnings.size());
  for (const Warning& warning : warnings)
    text += "WARNING: " + sanitize_lines(warning.text) + "\n";
  return text;
}

std::string failure_report(const Failed& failed, const ReportOptions& options) {
  std::string text;
  if (!options.log_shown && !failed.log_tail.empty()) {
    text += "------\n";
    if (!options.step_name.empty()) text += fmt::format(" > {}:\n", sanitize(options.step_name));
    for (const std::string& line : failed.log_tail)
      text += sanitize(line, Colours::keep) + "\n";
    text += "------\n";
  }
  std::string_view message = failed.message;
  while (message.ends_with('\n'))
    message.remove_suffix(1);
  text +=
      fmt::format("ERROR: {}\n", message.empty() ? to_word(failed.code) : sanitize_lines(message));
  if (failed.exit_code) {
    const std::string exit_code = fmt::format("exit code: {}", *failed.exit_code);
    if (!message.contains(exit_code)) text += exit_code + "\n";  // docker's wording has it already
  }
  return text;
}

}  // namespace kiln::cli
