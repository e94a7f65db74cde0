#include "cli/explanation.h"

#include "cli/text.h"

namespace kiln::cli {

namespace {

std::string quoted(const std::string& value) {
  return "\"" + sanitize(value) + "\"";
}

std::string describe_file(const Difference& difference) {
  const std::string name = sanitize(difference.name);
  if (difference.change == "added" || difference.change == "removed")
    return fmt::format("{}: {}", name, difference.change);
  std::string text = fmt::format("{}: {} changed", name, sanitize(difference.change));
  if (!difference.before.empty() || !difference.after.empty())
    text += fmt::format(": {} -> {}", sanitize(difference.before), sanitize(difference.after));
  return text;
}

/// A value that is new, gone, or another; values that may be secret are not there.
std::string describe_value(const std::string& what, const Difference& difference) {
  if (difference.change == "added") {
    return difference.after.empty() ? what + " added"
                                    : fmt::format("{} added: {}", what, quoted(difference.after));
  }
  if (difference.change == "removed") return what + " removed";
  if (difference.before.empty() && difference.after.empty()) return what + " changed";
  return fmt::format("{}: {} -> {}", what, quoted(difference.before), quoted(difference.after));
}

std::string describe(const Difference& difference) {
  const std::string name = sanitize(difference.name);
  switch (difference.kind) {
    case DifferenceKind::file:
      return describe_file(difference);
    case DifferenceKind::variable:
      return describe_value("variable " + name, difference);
    case DifferenceKind::command:
      return describe_value("command", difference);
    case DifferenceKind::image:
      return fmt::format("base image {}: {} -> {}", name, sanitize(difference.before),
                         sanitize(difference.after));
    case DifferenceKind::step:
      return fmt::format("step {} {}", name,
                         difference.change == "rebuilt" ? "was rebuilt" : "has changed");
    case DifferenceKind::source:
      return fmt::format("source {}: {} -> {}", name, sanitize(difference.before),
                         sanitize(difference.after));
    case DifferenceKind::setting:
      break;
  }
  return describe_value(name, difference);
}

}  // namespace

std::vector<std::string> explain(const StepExplained& explained) {
  switch (explained.reason) {
    case MissReason::first:
      return {"not cached: never built here"};
    case MissReason::no_cache:
      return {"not cached: --no-cache"};
    case MissReason::gone:
      return {"not cached: its record's layers are gone"};
    case MissReason::changed:
      break;
  }
  std::vector<std::string> lines;
  for (const Difference& difference : explained.differences)
    lines.push_back("not cached: " + describe(difference));
  if (lines.empty()) lines.emplace_back("not cached: differs from its record");
  if (explained.more > 0) lines.push_back(fmt::format("not cached: and {} more", explained.more));
  return lines;
}

}  // namespace kiln::cli
