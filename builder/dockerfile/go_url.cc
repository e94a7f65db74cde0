#include "builder/dockerfile/go_url.h"

#include <algorithm>

#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// nullopt for a '%' without two hex digits.
std::optional<std::string> decode(std::string_view text, bool plus_is_space = false) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else {
      const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      decoded += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return decoded;
}

bool is_ascii_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// The scheme's length; 0 without one. nullopt: the text begins with ':'.
std::optional<std::size_t> scheme_length(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_ascii_letter(c)) continue;
    const bool inner = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
    if (inner && i > 0) continue;
    if (c == ':') return i == 0 ? std::nullopt : std::optional(i);
    return 0;
  }
  return 0;
}

bool is_port(std::string_view text) {
  if (text.empty()) return true;
  return text.starts_with(':') &&
         std::ranges::all_of(text.substr(1), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_host(std::string_view host) {
  if (host.starts_with('[')) {
    const std::size_t end = host.rfind(']');
    return end != std::string_view::npos && is_port(host.substr(end + 1));
  }
  const std::size_t colon = host.find(':');
  if (colon != std::string_view::npos && !is_port(host.substr(colon))) return false;
  if (!decode(host)) return false;
  return std::ranges::none_of(host,
                              [](char c) { return std::string_view(" \"<>\\^`{|}").contains(c); });
}

bool is_userinfo(std::string_view text) {
  return decode(text) && std::ranges::all_of(text, [](char c) {
           return is_ascii_letter(c) || (c >= '0' && c <= '9') ||
                  std::string_view("-._:~!$&'()*+,;=%@").contains(c);
         });
}

bool is_authority(std::string_view authority) {
  const std::size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return is_host(authority);
  return is_userinfo(authority.substr(0, at)) && is_host(authority.substr(at + 1));
}

/// Calls `take(name, value)` for each pair, with nullopt for a malformed one.
template <class Take>
void each_pair(std::string_view text, Take take) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('&'), text.size());
    const std::string_view pair = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const auto name = decode(pair.substr(0, equals), true);
    const auto value = decode(pair.substr(std::min(equals + 1, pair.size())), true);
    const bool sound = name && value && !pair.contains(';');
    take(sound ? std::optional(std::pair(*name, *value)) : std::nullopt);
  }
}

}  // namespace

std::optional<Query> parse_query(std::string_view text) {
  Query query;
  bool sound = true;
  each_pair(text, [&](std::optional<std::pair<std::string, std::string>> pair) {
    sound = sound && pair.has_value();
    if (pair) query.push_back(std::move(*pair));
  });
  return sound ? std::optional(std::move(query)) : std::nullopt;
}

std::optional<GoUrl> parse_go_url(std::string_view text) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::ranges::any_of(text, is_control)) return std::nullopt;
  GoUrl url;
  const std::size_t hash = std::min(text.find('#'), text.size());
  const auto fragment = decode(text.substr(std::min(hash + 1, text.size())));
  if (!fragment) return std::nullopt;
  url.fragment = *fragment;
  text = text.substr(0, hash);

  const auto scheme = scheme_length(text);
  if (!scheme) return std::nullopt;
  url.scheme = lower(text.substr(0, *scheme));
  const std::size_t question = std::min(text.find('?'), text.size());
  each_pair(text.substr(std::min(question + 1, text.size())),
            [&](std::optional<std::pair<std::string, std::string>> pair) {
              if (pair) url.query.push_back(std::move(*pair));
            });
  std::string_view rest = text.substr(0, question);
  url.base = url.scheme + std::string(rest.substr(*scheme));
  if (*scheme > 0) rest.remove_prefix(*scheme + 1);
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    if (!is_authority(rest.substr(0, slash))) return std::nullopt;
    rest.remove_prefix(slash);
  }
  const auto path = decode(rest);
  if (!path) return std::nullopt;
  url.path = *path;
  return url;
}

}  // namespace kiln::dockerfile
