#include "builder/dockerfile/source.h"

#include <algorithm>
#include <utility>

#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

/// Of a longer instruction only its head is shown.
constexpr int kMaxLinesShown = 8;

/// What moves a caret below byte `column` of `line`: tabs stay tabs, a character is one blank.
std::string caret_indent(std::string_view line, int column) {
  std::string indent;
  const std::size_t end = std::min(line.size(), static_cast<std::size_t>(column - 1));
  for (std::size_t at = 0; at < end; at += decode_rune(line, at).size)
    indent += line[at] == '\t' ? '\t' : ' ';
  return indent;
}

}  // namespace

Source::Source(std::string name, std::string text)
    : name_(std::move(name)), text_(std::move(text)) {
  starts_.push_back(0);
  for (std::size_t at = text_.find('\n'); at != std::string::npos; at = text_.find('\n', at + 1)) {
    if (at + 1 < text_.size()) starts_.push_back(at + 1);
  }
}

std::string_view Source::line(int number) const {
  if (number < 1 || number > line_count()) return {};
  const std::size_t start = starts_[static_cast<std::size_t>(number - 1)];
  std::string_view line = std::string_view(text_).substr(start);
  line = line.substr(0, line.find('\n'));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

Place Source::place(std::size_t offset) const {
  const auto after = std::ranges::upper_bound(starts_, offset);
  const auto line = static_cast<std::size_t>(after - starts_.begin());
  return {static_cast<int>(line), static_cast<int>(offset - starts_[line - 1]) + 1};
}

std::string render(const Source& source, const Diagnostic& diagnostic) {
  const graph::SourceRange range = diagnostic.range;
  std::string text = source.name();
  if (range.first_line > 0) text += fmt::format(":{}", range.first_line);
  if (range.first_line > 0 && diagnostic.column > 0) text += fmt::format(":{}", diagnostic.column);
  if (!diagnostic.rule.empty()) text += ": " + diagnostic.rule;
  text += ": " + diagnostic.message;
  if (!diagnostic.hint.empty()) text += "; " + diagnostic.hint;
  if (range.first_line <= 0) return text;

  const int last = std::min({std::max(range.first_line, range.last_line), source.line_count(),
                             range.first_line + kMaxLinesShown - 1});
  const std::size_t width = std::max<std::size_t>(1, std::to_string(last).size());
  for (int number = std::max(1, range.first_line - 1); number <= last; ++number) {
    const bool meant = number >= range.first_line;
    const std::string_view line = source.line(number);
    text += fmt::format("\n{} {:>{}} | {}", meant ? ">>>" : "   ", number, width, line);
    if (number == range.first_line && diagnostic.column > 0) {
      text += fmt::format("\n    {:>{}} | {}^", "", width, caret_indent(line, diagnostic.column));
    }
  }
  return text;
}

DockerfileError error_of(const Source& source, std::vector<Diagnostic> diagnostics) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics) {
    if (!text.empty()) text += "\n";
    text += render(source, diagnostic);
  }
  return {std::move(text), std::move(diagnostics)};
}

}  // namespace kiln::dockerfile
