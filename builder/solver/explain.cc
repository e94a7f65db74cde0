#include "builder/solver/explain.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include "builder/solver/cache_key.h"

namespace kiln::solver {

namespace {

using graph::KeyPart;

/// Parts by name; of a name that comes again, the values are joined.
using Parts = std::map<std::string, std::string, std::less<>>;

constexpr std::size_t kShownBytes = 120;

Parts to_map(const std::vector<KeyPart>& parts) {
  Parts map;
  for (const KeyPart& part : parts) {
    const auto [place, is_new] = map.emplace(part.name, part.value);
    if (!is_new) place->second += "\n" + part.value;
  }
  return map;
}

std::string value_of(const Parts& parts, std::string_view name) {
  const auto found = parts.find(name);
  return found == parts.end() ? "" : found->second;
}

/// The names whose values differ, or that only one has.
std::vector<std::string> differing(const Parts& before, const Parts& after) {
  std::vector<std::string> names;
  for (const auto& [name, value] : after) {
    const auto old = before.find(name);
    if (old == before.end() || old->second != value) names.push_back(name);
  }
  for (const auto& [name, value] : before) {
    if (!after.contains(name)) names.push_back(name);
  }
  return names;
}

std::string shown(std::string value) {
  if (value.size() <= kShownBytes) return value;
  std::size_t end = kShownBytes;
  while (end > 0 && (static_cast<unsigned char>(value[end]) & 0xC0U) == 0x80U)
    --end;  // not inside a character
  value.resize(end);
  return value + "...";
}

/// Values of variables with such names are not shown. source: docker build's check
/// SecretsUsedInArgOrEnv
bool may_be_secret(std::string_view variable) {
  static constexpr std::array<std::string_view, 8> kWords{"apikey", "auth",  "credential", "key",
                                                          "passw",  "pword", "secret",     "token"};
  std::string lower(variable);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  return std::ranges::any_of(kWords, [&](std::string_view word) { return lower.contains(word); });
}

Difference value_difference(DifferenceKind kind,
                            std::string name,
                            const Parts& before,
                            const Parts& after,
                            std::string_view part) {
  Difference difference{kind, std::move(name), "", "", ""};
  if (!before.contains(part)) difference.change = "added";
  if (!after.contains(part)) difference.change = "removed";
  if (kind == DifferenceKind::variable && may_be_secret(difference.name)) return difference;
  difference.before = shown(value_of(before, part));
  difference.after = shown(value_of(after, part));
  return difference;
}

/// A command's arguments as a person would write them; of "sh -c COMMAND" only COMMAND, where that
/// alone differs.
Difference command_difference(const Parts& before, const Parts& after) {
  const auto words = [](const Parts& parts) {
    std::vector<std::string> list;
    for (auto part = parts.find(fmt::format("arg {}", list.size())); part != parts.end();
         part = parts.find(fmt::format("arg {}", list.size())))
      list.push_back(part->second);
    return list;
  };
  const std::vector<std::string> old = words(before);
  const std::vector<std::string> now = words(after);
  if (old.size() == now.size() && !now.empty() &&
      std::equal(old.begin(), old.end() - 1, now.begin()))
    return {DifferenceKind::command, "", "", shown(old.back()), shown(now.back())};
  const auto line = [](const std::vector<std::string>& list) {
    std::string text;
    for (const std::string& word : list)
      text += (text.empty() ? "" : " ") + word;
    return shown(std::move(text));
  };
  return {DifferenceKind::command, "", "", line(old), line(now)};
}

/// What users call it: "action 0 mode" is --chmod.
std::string setting_name(std::string_view part) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kNames{{
      {"mode", "--chmod"},
      {"owner", "--chown"},
      {"keep parents", "--parents"},
      {"unpack archives", "unpacking archives"},
      {"made time", "time of new directories"},
  }};
  std::string_view name = part;
  if (name.starts_with("action ")) {
    name.remove_prefix(7);
    const std::size_t space = name.find(' ');
    name = space == std::string_view::npos ? "operation" : name.substr(space + 1);
  }
  for (const auto& [known, words] : kNames) {
    if (name == known) return std::string(words);
  }
  return std::string(name);
}

/// "[1/2] FROM docker.io/library/alpine:3@sha256:..." → "docker.io/library/alpine:3"
std::string image_name(const std::string& step) {
  const std::size_t from = step.find("FROM ");
  std::string name = from == std::string::npos ? step : step.substr(from + 5);
  return name.substr(0, name.find('@'));
}

std::string short_digest(const std::string& digest) {
  return digest.substr(0, 7 + 12);
}

/// The parts of one input: "input 1/NAME" as NAME.
Parts parts_of_input(const Parts& parts, std::size_t input) {
  const std::string begin = fmt::format("input {}/", input);
  Parts own;
  for (auto part = parts.lower_bound(begin); part != parts.end() && part->first.starts_with(begin);
       ++part)
    own.emplace(part->first.substr(begin.size()), part->second);
  return own;
}

void explain_local(const DescribedInput& input,
                   const Parts& before,
                   const Parts& after,
                   Explanation& explanation) {
  std::vector<Difference> digests;
  for (const std::string& name : differing(before, after)) {
    if (!name.starts_with("source ")) continue;
    digests.push_back({DifferenceKind::source, name.substr(7), "",
                       short_digest(value_of(before, name)), short_digest(value_of(after, name))});
  }
  if (std::string list = value_of(before, "files"); !list.empty()) {
    explanation.files.push_back({input.vertex, std::move(list), std::move(digests)});
  } else {
    std::ranges::move(digests, std::back_inserter(explanation.differences));
  }
}

void explain_input(const DescribedInput& input,
                   const Parts& before,
                   const Parts& after,
                   Explanation& explanation) {
  const std::string op = value_of(after, "op");
  if (op.empty() || op != value_of(before, "op")) {
    explanation.differences.push_back({DifferenceKind::step,
                                       input.name.empty() ? "before it" : input.name,
                                       input.ran ? "rebuilt" : "changed", "", ""});
  } else if (op == "image") {
    explanation.differences.push_back({DifferenceKind::image, image_name(input.name), "",
                                       short_digest(value_of(before, "manifest")),
                                       short_digest(value_of(after, "manifest"))});
  } else if (op == "local") {
    explain_local(input, before, after, explanation);
  } else {
    for (const std::string& name : differing(before, after)) {
      if (name == "name") continue;
      explanation.differences.push_back({DifferenceKind::source, input.name, "",
                                         shown(value_of(before, name)),
                                         shown(value_of(after, name))});
    }
  }
}

/// Parts that are not in the key, and those that say the same as others.
bool is_described(std::string_view name) {
  return name.starts_with("input ") && name.contains('/');
}

Explanation explain_from(const Parts& before,
                         const Parts& after,
                         const std::vector<DescribedInput>& inputs) {
  Explanation explanation;
  bool command = false;
  for (const std::string& name : differing(before, after)) {
    if (is_described(name)) continue;
    if (name.starts_with("arg ")) {
      if (!std::exchange(command, true))
        explanation.differences.push_back(command_difference(before, after));
    } else if (name.starts_with("env ")) {
      explanation.differences.push_back(
          value_difference(DifferenceKind::variable, name.substr(4), before, after, name));
    } else if (!name.starts_with("input ")) {
      explanation.differences.push_back(
          value_difference(DifferenceKind::setting, setting_name(name), before, after, name));
    }
  }
  // The base image's time comes with the base image.
  const bool has_time = before.contains("made time") && after.contains("made time");
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::string name = fmt::format("input {}", i);
    if (value_of(before, name) == value_of(after, name)) continue;
    explain_input(inputs[i], parts_of_input(before, i), parts_of_input(after, i), explanation);
  }
  if (has_time && explanation.differences.size() + explanation.files.size() > 1) {
    std::erase_if(explanation.differences, [](const Difference& difference) {
      return difference.name == setting_name("made time");
    });
  }
  return explanation;
}

std::size_t count_differences(const Parts& before, const Parts& after) {
  return static_cast<std::size_t>(std::ranges::count_if(
      differing(before, after), [](const std::string& name) { return !is_described(name); }));
}

}  // namespace

std::vector<KeyPart> parts_with_inputs(std::vector<KeyPart> key_parts,
                                       const std::vector<DescribedInput>& inputs,
                                       const std::vector<std::string>& file_lists) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::string begin = fmt::format("input {}/", i);
    key_parts.push_back({begin + "name", inputs[i].name});
    for (const KeyPart& part : inputs[i].parts)
      key_parts.push_back({begin + part.name, part.value});
    if (i < file_lists.size() && !file_lists[i].empty())
      key_parts.push_back({begin + "files", file_lists[i]});
  }
  return key_parts;
}

StepTitle title_of(std::string_view name) {
  const std::size_t end = name.find("] ");
  const std::size_t slash = end == std::string_view::npos ? end : name.rfind('/', end);
  if (!name.starts_with('[') || slash == std::string_view::npos)
    return {std::string(name), std::string(name)};
  return {std::string(name.substr(end + 2)), std::string(name.substr(0, slash + 1))};
}

std::optional<Explanation> explain_miss(const StepTitle& title,
                                        const std::vector<KeyPart>& parts,
                                        const std::vector<DescribedInput>& inputs,
                                        const std::vector<store::RecordRow>& candidates) {
  const Parts now = to_map(parts);
  std::optional<Parts> nearest;
  std::tuple<bool, std::size_t> least;
  for (const store::RecordRow& candidate : candidates) {
    Parts before = to_map(parts_from_json(candidate.parts));
    const std::tuple rank{title_of(candidate.name).title != title.title,
                          count_differences(before, now)};
    if (nearest && rank >= least) continue;
    least = rank;
    nearest = std::move(before);
  }
  if (!nearest) return std::nullopt;
  return explain_from(*nearest, now, inputs);
}

}  // namespace kiln::solver
