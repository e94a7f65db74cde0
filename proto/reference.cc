#include "proto/reference.h"

#include <algorithm>

#include "proto/error.h"

namespace kiln {

namespace {

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}
bool is_alnum(char c) {
  return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}
bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// path-component: alphanumerics joined by ".", "_", "__" or dashes.
bool is_component(std::string_view part) {
  if (part.empty() || !is_lower_or_digit(part.front()) || !is_lower_or_digit(part.back())) {
    return false;
  }
  for (std::size_t i = 0; i < part.size();) {
    if (is_lower_or_digit(part[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < part.size() && part[end] == part[i])
      ++end;
    const std::size_t run = end - i;
    const bool separator =
        part[i] == '-' || (part[i] == '_' && run <= 2) || (part[i] == '.' && run == 1);
    if (!separator || end == part.size() || !is_lower_or_digit(part[end])) return false;
    i = end;
  }
  return true;
}

bool is_tag(std::string_view tag) {
  return !tag.empty() && tag.size() <= 128 && (is_alnum(tag[0]) || tag[0] == '_') &&
         std::ranges::all_of(
             tag, [](char c) { return is_alnum(c) || c == '_' || c == '.' || c == '-'; });
}

bool is_registry(std::string_view host) {
  std::string_view name = host;
  if (name.starts_with('[')) {  // IPv6
    const std::size_t close = name.find(']');
    if (close == std::string_view::npos) return false;
    const std::string_view address = name.substr(1, close - 1);
    if (address.empty() || !std::ranges::all_of(address, [](char c) {
          return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' ||
                 c == '.';
        })) {
      return false;
    }
    name = name.substr(close + 1);
    if (name.empty()) return true;
    if (!name.starts_with(':')) return false;
    name.remove_prefix(1);
    return !name.empty() && name.size() <= 5 && std::ranges::all_of(name, is_digit);
  }
  if (const std::size_t colon = name.find(':'); colon != std::string_view::npos) {
    const std::string_view port = name.substr(colon + 1);
    if (port.empty() || port.size() > 5 || !std::ranges::all_of(port, is_digit)) return false;
    name = name.substr(0, colon);
  }
  while (true) {
    const std::size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    const bool good = !label.empty() && is_alnum(label.front()) && is_alnum(label.back()) &&
                      std::ranges::all_of(label, [](char c) { return is_alnum(c) || c == '-'; });
    if (!good) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}

/// The first component is a host when it cannot be a repository: it has a dot or a port, is
/// "localhost", or has upper-case letters.
/// source: distribution/reference splitDockerDomain
bool looks_like_host(std::string_view component) {
  return component == "localhost" || component.find_first_of(".:") != std::string_view::npos ||
         std::ranges::any_of(component, is_upper);
}

/// 64 hex digits are an image's identifier and never a name, as with docker.
bool is_identifier(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); });
}

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  throw Error(Errc::invalid_input, "invalid image reference \"{}\": {}", text, why);
}

}  // namespace

Reference Reference::parse(std::string_view text) {
  if (is_identifier(text)) refuse(text, "64 hex digits are an image's identifier, not a name");
  Reference reference;
  std::string_view rest = text;
  if (const std::size_t at = rest.find('@'); at != std::string_view::npos) {
    try {
      reference.digest = Digest::parse(rest.substr(at + 1));
    } catch (const Error& error) {
      refuse(text, error.what());
    }
    rest = rest.substr(0, at);
  }
  const std::size_t slash = rest.rfind('/');
  const std::size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    const std::string_view tag = rest.substr(colon + 1);
    if (!is_tag(tag)) {
      refuse(text,
             "a tag is 1 to 128 letters, digits, '_', '.' and '-', not starting with '.' or '-'");
    }
    reference.tag = std::string(tag);
    rest = rest.substr(0, colon);
  }
  if (rest.empty()) refuse(text, "the repository name is missing");

  reference.registry = kDockerHub;
  if (const std::size_t first = rest.find('/'); first != std::string_view::npos) {
    const std::string_view head = rest.substr(0, first);
    if (looks_like_host(head)) {
      if (!is_registry(head)) refuse(text, "the part before the first '/' is not a host name");
      reference.registry = head == "index.docker.io" ? kDockerHub : head;
      rest = rest.substr(first + 1);
    }
  }
  if (reference.registry == kDockerHub && rest.find('/') == std::string_view::npos) {
    reference.repository = "library/";
  }
  reference.repository += rest;
  if (reference.repository.size() > 255) refuse(text, "the repository name is over 255 characters");
  for (std::string_view parts = reference.repository;;) {
    const std::size_t next = parts.find('/');
    if (!is_component(parts.substr(0, next))) {
      const bool upper = std::ranges::any_of(parts, is_upper);
      refuse(text, upper ? "a repository name must be lower case"
                         : "a repository name is lower-case letters and digits joined by '.', '_', "
                           "'__', '-' and '/'");
    }
    if (next == std::string_view::npos) break;
    parts.remove_prefix(next + 1);
  }
  return reference;
}

Reference Reference::or_latest() const {
  Reference result = *this;
  if (!result.tag && !result.digest) result.tag = "latest";
  return result;
}

std::string Reference::str() const {
  std::string text = name();
  if (tag) text += ":" + *tag;
  if (digest) text += "@" + digest->str();
  return text;
}

std::string Reference::familiar() const {
  if (registry != kDockerHub) return str();
  std::string text = str().substr(kDockerHub.size() + 1);
  constexpr std::string_view kLibrary = "library/";
  const bool official = repository.starts_with(kLibrary) &&
                        repository.find('/', kLibrary.size()) == std::string::npos;
  if (official) return text.substr(kLibrary.size());
  // "localhost/app" of Docker Hub would be read as another registry's.
  if (looks_like_host(repository.substr(0, repository.find('/')))) return str();
  return text;
}

}  // namespace kiln
