// HTTP messages as plain values: what the rest of this folder sees of the protocol.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "registry-client/url.h"

namespace kiln::registry {

class UploadBody;

/// Fields in order; names compare without case.
class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string, std::string>> fields);

  /// Throws Error{invalid_input} for a value with control characters: it would start a new field.
  void add(std::string_view name, std::string_view value);
  void remove(std::string_view name);
  [[nodiscard]] std::optional<std::string_view> find(std::string_view name) const;
  [[nodiscard]] std::vector<std::string_view> all(std::string_view name) const;
  [[nodiscard]] auto begin() const { return fields_.begin(); }
  [[nodiscard]] auto end() const { return fields_.end(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct Request {
  std::string method;
  Url url;
  Headers headers;
  std::string body;              ///< when small
  UploadBody* upload = nullptr;  ///< when streamed; borrowed, rewound for each sending
};

struct ResponseHead {
  int status = 0;
  Headers headers;
};

/// The moment that a date of a header means, in any of its three forms; nullopt when it is none.
/// source: RFC 9110 section 5.6.7.
[[nodiscard]] std::optional<std::chrono::system_clock::time_point> parse_http_date(
    std::string_view text);

/// The words of a status: "404 Not Found".
[[nodiscard]] std::string status_text(int status);

}  // namespace kiln::registry
