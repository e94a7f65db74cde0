// The text of call results.
#include <fmt/format.h>

#include <algorithm>

#include "builder/dockerfile/ast.h"
#include "builder/dockerfile/call_result.h"
#include "builder/dockerfile/rules.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

constexpr std::string_view kRuler = "--------------------\n";

/// The lines of `range`, marked, with lines around them so that four are there.
std::string excerpt(const Source& source, graph::SourceRange range) {
  const int first = range.first_line;
  const int last = std::min(std::max(first, range.last_line), source.line_count());
  if (first < 1 || first > source.line_count()) return {};
  int begin = first;
  int end = last;
  const int wanted = first == last ? 4 : 2;
  for (int added = 0; added < wanted; ++added) {
    if (begin > 1) {
      --begin;
      ++added;
    }
    if (end < source.line_count()) {
      ++end;
      ++added;
    }
  }
  std::string text = fmt::format("{}:{}\n{}", source.name(), first, kRuler);
  for (int number = begin; number <= end; ++number) {
    const bool meant = number >= first && number <= last;
    text += fmt::format(" {:3} | {} {}\n", number, meant ? ">>>" : "   ", source.line(number));
  }
  return text + std::string(kRuler);
}

/// Rows as columns that are three blanks apart.
std::string columns(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], row[i].size() + 3);
  }
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += fmt::format("{:<{}}", row[i], widths[i]);
    text += std::string(trim_right(line)) + "\n";
  }
  return text;
}

std::string needs_text(const char* title, const std::vector<Outline::Need>& needs) {
  if (needs.empty()) return {};
  std::vector<std::vector<std::string>> rows = {{title, "REQUIRED"}};
  for (const Outline::Need& need : needs)
    rows.push_back({need.name, need.required ? "true" : ""});
  return columns(rows) + "\n";
}

}  // namespace

std::string text_of(const Document& document, const CheckReport& report) {
  const Source& source = document.ast().source;
  std::string text;
  const std::size_t count = report.warnings.size();
  if (count > 0) {
    text += count == 1 ? "Check complete, 1 warning has been found!\n"
                       : fmt::format("Check complete, {} warnings have been found!\n", count);
  } else if (report.mistakes.empty()) {
    text += "Check complete, no warnings found.\n";
  }
  for (const Diagnostic& warning : report.warnings) {
    const Rule* rule = find_rule(warning.rule);
    const std::string url = rule ? rule->url() : "";
    text += fmt::format("\nWARNING: {}{}{}\n{}\n{}", warning.rule, url.empty() ? "" : " - ", url,
                        warning.message, excerpt(source, warning.range));
  }
  for (const Diagnostic& mistake : report.mistakes) {
    if (!text.empty()) text += "\n";
    text += fmt::format("ERROR: {}\n", render(source, mistake));
  }
  return text;
}

std::string text_of(const Outline& outline) {
  std::string text;
  if (!outline.name.empty() || !outline.description.empty()) {
    const bool described = !outline.description.empty();
    text += fmt::format("TARGET: {}{}\n", described ? "     " : "",
                        outline.name.empty() ? "(default)" : outline.name);
    if (described) text += fmt::format("DESCRIPTION: {}\n", outline.description);
    text += "\n";
  }
  if (!outline.arguments.empty()) {
    std::vector<std::vector<std::string>> rows = {{"BUILD ARG", "VALUE", "DESCRIPTION"}};
    for (const Outline::Argument& argument : outline.arguments)
      rows.push_back({argument.name, argument.value, argument.description});
    text += columns(rows) + "\n";
  }
  text += needs_text("SECRET", outline.secrets) + needs_text("SSH", outline.ssh);
  if (!outline.caches.empty()) {
    text += "CACHE\n";
    for (const Outline::Need& cache : outline.caches)
      text += cache.name + "\n";
    text += "\n";
  }
  return text;
}

std::string text_of(const std::vector<Target>& targets) {
  std::vector<std::vector<std::string>> rows = {{"TARGET", "DESCRIPTION"}};
  for (const Target& target : targets) {
    std::string name = target.name;
    if (target.is_default) name += name.empty() ? "(default)" : " (default)";
    if (!name.empty()) rows.push_back({std::move(name), target.description});
  }
  return columns(rows);
}

}  // namespace kiln::dockerfile
