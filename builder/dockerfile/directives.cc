#include "builder/dockerfile/directives.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

constexpr std::string_view kKnown[] = {"syntax", "escape", "check"};

/// "name = value" with a name of letters and digits; nullopt when it is something else.
std::optional<Directive> parse(std::string_view text) {
  std::size_t size = 0;
  while (size < text.size() && (is_letter(static_cast<unsigned char>(text[size])) ||
                                (size > 0 && is_digit(static_cast<unsigned char>(text[size])))))
    ++size;
  const std::string name = lower(text.substr(0, size));
  std::string_view rest = trim_left(text.substr(size));
  if (size == 0 || !rest.starts_with('=')) return std::nullopt;
  rest = trim(rest.substr(1));
  if (rest.empty()) return std::nullopt;
  return Directive{name, std::string(rest), 0};
}

/// Runs a reader over the lines of `text`, past a "#!" line.
std::optional<Directive> find(std::string_view text,
                              std::string_view comment,
                              std::string_view name) {
  DirectiveReader reader(comment);
  int number = 0;
  for (std::string_view line : split(text, '\n')) {
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (number == 1 && line.starts_with("\xEF\xBB\xBF")) line.remove_prefix(3);
    if (number == 1 && line.starts_with("#!")) continue;
    try {
      const std::optional<Directive> directive = reader.read(line, number);
      if (!directive) break;
      if (directive->name == name) return directive;
    } catch (const Mistake&) {
      break;  // a repeated directive is reported by the parser itself
    }
  }
  return std::nullopt;
}

std::optional<Directive> find_json_syntax(std::string_view text) {
  if (!trim_left(text.substr(0, 64)).starts_with('{')) return std::nullopt;
  const auto json = nlohmann::json::parse(text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const auto syntax = json.find("syntax");
  if (syntax == json.end() || !syntax->is_string()) return std::nullopt;
  return Directive{"syntax", syntax->get<std::string>(), 1};
}

}  // namespace

std::optional<Directive> DirectiveReader::read(std::string_view line, int number) {
  if (done_) return std::nullopt;
  done_ = true;
  if (!line.starts_with(comment_)) return std::nullopt;
  std::optional<Directive> directive = parse(trim_left(line.substr(comment_.size())));
  if (!directive || std::ranges::find(kKnown, directive->name) == std::end(kKnown)) {
    return std::nullopt;
  }
  if (std::ranges::find(seen_, directive->name) != seen_.end()) {
    throw Mistake(fmt::format("only one {} parser directive can be used", directive->name));
  }
  done_ = false;
  seen_.push_back(directive->name);
  directive->line = number;
  return directive;
}

std::optional<Directive> find_syntax(std::string_view text) {
  std::optional<Directive> found = find(text, "#", "syntax");
  if (!found) found = find(text, "//", "syntax");
  if (!found) found = find_json_syntax(text);
  if (found) found->value = found->value.substr(0, found->value.find(' '));
  return found;
}

std::optional<Directive> find_check(std::string_view text) {
  std::optional<Directive> found = find(text, "#", "check");
  if (found) found->value = found->value.substr(0, found->value.find(' '));
  return found;
}

bool is_builtin_syntax(std::string_view image) {
  if (image == "dockerfile.v0") return true;
  for (const std::string_view host : {"docker.io/", "index.docker.io/"}) {
    if (image.starts_with(host)) {
      image.remove_prefix(host.size());
      break;
    }
  }
  image = image.substr(0, image.find_first_of(":@"));
  return image == "docker/dockerfile" || image == "docker/dockerfile-upstream";
}

void refuse_syntax(std::string_view image) {
  throw Mistake(
      fmt::format("frontend image \"{}\" is not supported", image),
      "the Dockerfile language is built in: use docker/dockerfile:1 or remove the line, or ignore "
      "it with --build-arg BUILDKIT_SYNTAX=dockerfile.v0");
}

}  // namespace kiln::dockerfile
