// Where a request goes. A Url is always valid, absolute and http or https; user names and passwords
// written into one are dropped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kiln::registry {

struct Url {
  bool tls = true;
  std::string host;  ///< lower case; an IPv6 address without brackets
  std::uint16_t port = 443;
  std::string target = "/";  ///< path and query, percent-encoded

  /// Parses an absolute URL; throws Error{invalid_input} naming it (redacted).
  [[nodiscard]] static Url parse(std::string_view text);

  /// "host[:port]" as registries are named, with the scheme's port when none is written.
  [[nodiscard]] static Url of_host(bool tls, std::string_view host_port);

  /// What `reference` (a Location: absolute or relative) means here. source: RFC 3986 section 5.
  [[nodiscard]] Url resolve(std::string_view reference) const;

  /// Appends name=value to the query, percent-encoding the value.
  void add_query(std::string_view name, std::string_view value);

  /// host[:port], without the scheme's own port: the Host header and the key of a configuration.
  [[nodiscard]] std::string authority() const;
  [[nodiscard]] bool same_origin(const Url& other) const {
    return tls == other.tls && host == other.host && port == other.port;
  }
  /// For messages: queries carry signatures and tokens, so there is none.
  [[nodiscard]] std::string redacted() const;
};

/// Encodes all but RFC 3986 "unreserved" characters.
[[nodiscard]] std::string percent_encode(std::string_view text);

/// True for localhost, 127.0.0.0/8 and ::1, with or without a port.
[[nodiscard]] bool is_loopback(std::string_view host_port);

}  // namespace kiln::registry
