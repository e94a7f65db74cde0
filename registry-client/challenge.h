// What a registry asks for when it answers 401.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::registry {

/// One challenge; scheme and parameter names in lower case.
struct Challenge {
  std::string scheme;  ///< "bearer", "basic", ...
  std::map<std::string, std::string> parameters;
  [[nodiscard]] std::string parameter(const std::string& name) const {
    const auto found = parameters.find(name);
    return found == parameters.end() ? std::string() : found->second;
  }
};

/// Parses one WWW-Authenticate value, which may hold several challenges. Never throws: what cannot
/// be read is left out. source: RFC 9110 section 11.6.1.
[[nodiscard]] std::vector<Challenge> parse_challenges(std::string_view value);

}  // namespace kiln::registry
