// The request for a token and what comes back. source: distribution's "Token Authentication" and
// "OAuth2 Token Authentication" specifications.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/messages.h"
#include "registry-client/challenge.h"
#include "registry-client/http.h"

namespace kiln::registry {

struct TokenAnswer {
  std::string token;
  std::chrono::seconds lifetime{60};
};

/// "Basic <base64>".
[[nodiscard]] std::string basic_authorization(const Credentials& credentials);

/// The scopes that a challenge names (separated by spaces) beside ours, each once, in a fixed
/// order.
[[nodiscard]] std::vector<std::string> merge_scopes(std::vector<std::string> ours,
                                                    std::string_view theirs);

/// GET with Basic, or POST of a refresh token. Throws Error{invalid_input} for a bad realm.
[[nodiscard]] Request token_request(const Challenge& challenge,
                                    const std::vector<std::string>& scopes,
                                    const std::optional<Credentials>& credentials);

/// Throws Error{corrupt} when there is no token in it.
[[nodiscard]] TokenAnswer parse_token_answer(std::string_view json);

}  // namespace kiln::registry
