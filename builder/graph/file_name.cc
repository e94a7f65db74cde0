#include "builder/graph/file_name.h"

#include <algorithm>
#include <charconv>

namespace kiln::graph {

namespace {

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n\v\f");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n\v\f") - begin + 1);
}

std::string_view last_component(std::string_view path) {
  while (path.ends_with('/'))
    path.remove_suffix(1);
  return path.substr(path.rfind('/') + 1);
}

/// Takes a parameter's value off `rest`: a token, or a quoted string with escapes.
std::string take_value(std::string_view& rest) {
  std::string value;
  if (!rest.starts_with('"')) {
    value = trimmed(rest.substr(0, rest.find(';')));
    rest.remove_prefix(std::min(rest.find(';'), rest.size()));
    return value;
  }
  std::size_t i = 1;
  for (; i < rest.size() && rest[i] != '"'; ++i) {
    if (rest[i] == '\\' && i + 1 < rest.size()) ++i;
    value += rest[i];
  }
  rest.remove_prefix(std::min(i + 1, rest.size()));
  rest.remove_prefix(std::min(rest.find(';'), rest.size()));
  return value;
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  return result;
}

}  // namespace

std::string percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned char byte = 0;
    const char* digits = text.data() + i + 1;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      decoded += static_cast<char>(byte);
      i += 2;
    } else {
      decoded += text[i];
    }
  }
  return decoded;
}

std::string safe_file_name(std::string_view name) {
  const std::string_view last = last_component(trimmed(name));
  const bool has_control = std::ranges::any_of(last, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f;
  });
  if (last.empty() || last == "." || last == ".." || has_control) return "download";
  return std::string(last);
}

std::string file_name_of_url(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return {};
  std::string_view rest = url.substr(scheme + 3);
  rest = rest.substr(0, rest.find_first_of("?#"));
  const std::size_t path = rest.find('/');
  if (path == std::string_view::npos) return {};
  const std::string decoded = percent_decoded(rest.substr(path));
  return std::string(last_component(decoded));
}

std::string file_name_of_disposition(std::string_view header) {
  // source: RFC 6266; filename* (RFC 8187) wins, and is UTF-8 as all that is in use.
  std::string plain;
  std::string extended;
  std::string_view rest = header.substr(std::min(header.find(';'), header.size()));
  while (rest.starts_with(';')) {
    rest.remove_prefix(1);
    const std::size_t equals = rest.find('=');
    if (equals == std::string_view::npos) break;
    const std::string name = lower(trimmed(rest.substr(0, equals)));
    rest.remove_prefix(equals + 1);
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
    const std::string value = take_value(rest);
    if (name == "filename") plain = value;
    const std::size_t charset_end = value.find('\'');
    if (name == "filename*" && charset_end != std::string::npos) {
      const std::size_t language_end = value.find('\'', charset_end + 1);
      if (language_end != std::string::npos)
        extended = percent_decoded(std::string_view(value).substr(language_end + 1));
    }
  }
  const std::string& found = extended.empty() ? plain : extended;
  if (found.ends_with('/')) return {};
  return std::string(last_component(found));
}

}  // namespace kiln::graph
