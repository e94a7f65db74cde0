#include "builder/dockerfile/ast.h"

#include <algorithm>
#include <utility>

namespace kiln::dockerfile {

std::string body_of(const Heredoc& heredoc) {
  if (!heredoc.strip_tabs) return heredoc.content;
  std::string result;
  bool at_start = true;
  for (const char c : heredoc.content) {
    if (at_start && c == '\t') continue;
    result += c;
    at_start = c == '\n';
  }
  return result;
}

const Flag* Instruction::flag(std::string_view name) const {
  const auto found = std::ranges::find(flags, name, &Flag::name);
  return found == flags.end() ? nullptr : &*found;
}

const MountField* MountFlag::field(std::string_view key) const {
  const auto found = std::find_if(fields.rbegin(), fields.rend(),
                                  [&](const MountField& field) { return field.key == key; });
  return found == fields.rend() ? nullptr : &*found;
}

std::size_t Instruction::source_offset(std::size_t offset) const {
  auto after = std::ranges::upper_bound(segments, offset, {}, &Segment::begin);
  if (after == segments.begin()) return 0;
  --after;
  return after->source + (offset - after->begin);
}

std::string description_of(const Instruction& instruction, std::string_view name) {
  if (name.empty()) return {};
  for (const std::string& comment : instruction.comments) {
    const std::string_view line = comment;
    if (line.starts_with(name) && line.substr(name.size()).starts_with(' ')) {
      return std::string(line.substr(name.size() + 1));
    }
  }
  return {};
}

Diagnostic diagnostic_of(const Source& source,
                         const Instruction& instruction,
                         std::string message,
                         std::string hint,
                         std::optional<std::size_t> offset) {
  Diagnostic diagnostic{std::move(message), std::move(hint), instruction.range, 0, ""};
  if (offset && !instruction.segments.empty()) {
    const Place place = source.place(instruction.source_offset(*offset));
    diagnostic.column = place.column;
    diagnostic.range.first_line = place.line;
    // The place of one word on a later line needs no other line shown.
    if (place.line != instruction.range.first_line) diagnostic.range.last_line = place.line;
  }
  return diagnostic;
}

}  // namespace kiln::dockerfile
