#include "registry-client/http.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/status.hpp>
#include <ctime>
#include <iomanip>
#include <locale>
#include <sstream>

#include "proto/error.h"

namespace kiln::registry {

namespace {

bool same_name(std::string_view a, std::string_view b) {
  return boost::beast::iequals({a.data(), a.size()}, {b.data(), b.size()});
}

}  // namespace

Headers::Headers(std::initializer_list<std::pair<std::string, std::string>> fields) {
  for (const auto& [name, value] : fields)
    add(name, value);
}

void Headers::add(std::string_view name, std::string_view value) {
  const auto is_control = [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  };
  if (std::ranges::any_of(value, is_control) || std::ranges::any_of(name, is_control)) {
    throw Error(Errc::invalid_input, "HTTP field {}: control characters in its value", name);
  }
  fields_.emplace_back(name, value);
}

void Headers::remove(std::string_view name) {
  std::erase_if(fields_, [&](const auto& field) { return same_name(field.first, name); });
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
  for (const auto& [field, value] : fields_) {
    if (same_name(field, name)) return value;
  }
  return std::nullopt;
}

std::vector<std::string_view> Headers::all(std::string_view name) const {
  std::vector<std::string_view> found;
  for (const auto& [field, value] : fields_) {
    if (same_name(field, name)) found.push_back(value);
  }
  return found;
}

std::optional<std::chrono::system_clock::time_point> parse_http_date(std::string_view text) {
  for (const char* format :
       {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"}) {
    std::tm date{};
    std::istringstream in{std::string(text)};
    in.imbue(std::locale::classic());
    in >> std::get_time(&date, format);
    if (!in.fail()) return std::chrono::system_clock::from_time_t(timegm(&date));
  }
  return std::nullopt;
}

std::string status_text(int status) {
  namespace http = boost::beast::http;
  const auto known = http::int_to_status(static_cast<unsigned>(status));
  if (known == http::status::unknown) return fmt::format("{}", status);
  const auto words = http::obsolete_reason(known);
  return fmt::format("{} {}", status, std::string_view(words.data(), words.size()));
}

}  // namespace kiln::registry
