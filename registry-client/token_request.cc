#include "registry-client/token_request.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "proto/base64.h"
#include "proto/error.h"

namespace kiln::registry {

namespace {

/// source: the specification's default, and the least that it allows.
constexpr std::int64_t kShortestLifetimeSeconds = 60;
constexpr std::int64_t kLongestLifetimeSeconds = 24L * 60 * 60;

}  // namespace

std::string basic_authorization(const Credentials& credentials) {
  return "Basic " + base64_encode(credentials.username + ":" + credentials.password);
}

std::vector<std::string> merge_scopes(std::vector<std::string> ours, std::string_view theirs) {
  for (std::size_t start = 0; start < theirs.size();) {
    const auto end = std::min(theirs.find(' ', start), theirs.size());
    if (end > start) ours.emplace_back(theirs.substr(start, end - start));
    start = end + 1;
  }
  std::ranges::sort(ours);
  ours.erase(std::ranges::unique(ours).begin(), ours.end());
  return ours;
}

Request token_request(const Challenge& challenge,
                      const std::vector<std::string>& scopes,
                      const std::optional<Credentials>& credentials) {
  Request request;
  request.url = Url::parse(challenge.parameter("realm"));
  const auto service = challenge.parameter("service");
  if (credentials && !credentials->identity_token.empty()) {
    request.method = "POST";
    request.headers.add("Content-Type", "application/x-www-form-urlencoded");
    request.body = fmt::format(
        "grant_type=refresh_token&service={}&client_id=kiln&scope={}&refresh_token={}",
        percent_encode(service), percent_encode(fmt::format("{}", fmt::join(scopes, " "))),
        percent_encode(credentials->identity_token));
    return request;
  }
  request.method = "GET";
  if (!service.empty()) request.url.add_query("service", service);
  for (const auto& scope : scopes)
    request.url.add_query("scope", scope);
  if (credentials) {
    request.url.add_query("account", credentials->username);
    request.headers.add("Authorization", basic_authorization(*credentials));
  }
  return request;
}

TokenAnswer parse_token_answer(std::string_view json) {
  const auto document = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object()) throw Error(Errc::corrupt, "the answer is not a JSON object");
  TokenAnswer answer;
  for (const char* key : {"token", "access_token"}) {
    const auto found = document.find(key);
    if (answer.token.empty() && found != document.end() && found->is_string()) {
      answer.token = found->get<std::string>();
    }
  }
  if (answer.token.empty()) throw Error(Errc::corrupt, "the answer has no token");
  const auto lifetime = document.find("expires_in");
  if (lifetime != document.end() && lifetime->is_number_integer()) {
    answer.lifetime = std::chrono::seconds(std::clamp(
        lifetime->get<std::int64_t>(), kShortestLifetimeSeconds, kLongestLifetimeSeconds));
  }
  return answer;
}

}  // namespace kiln::registry
