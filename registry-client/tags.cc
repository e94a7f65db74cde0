#include "registry-client/tags.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "proto/json_shape.h"

namespace kiln::registry {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kMaxPageBytes = std::size_t{8} * 1024 * 1024;
constexpr int kMaxPages = 500;

}  // namespace

std::vector<std::string> parse_tags(std::string_view text) {
  check_json_shape(text, "the list of tags");
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto list = json.is_object() ? json.find("tags") : json.end();
  std::vector<std::string> tags;
  if (json.is_object() && list != json.end() && list->is_null()) return tags;
  if (!json.is_object() || list == json.end() || !list->is_array())
    throw Error(Errc::corrupt, "the list of tags: no array \"tags\"");
  for (const auto& tag : *list) {
    if (!tag.is_string()) throw Error(Errc::corrupt, "the list of tags: one is not a string");
    tags.push_back(tag.get<std::string>());
  }
  return tags;
}

std::optional<std::string> next_page(std::string_view link) {
  const std::size_t open = link.find('<');
  const std::size_t close = link.find('>', open == std::string_view::npos ? 0 : open);
  if (open == std::string_view::npos || close == std::string_view::npos) return std::nullopt;
  const std::string_view attributes = link.substr(close + 1);
  if (attributes.find("rel=\"next\"") == std::string_view::npos &&
      attributes.find("rel=next") == std::string_view::npos)
    return std::nullopt;
  return std::string(link.substr(open + 1, close - open - 1));
}

asio::awaitable<std::vector<std::string>> fetch_tags(Session& session, std::string prefix) {
  std::vector<std::string> found;
  Url url = co_await session.url("tags/list");
  const Url first = url;
  url.add_query("n", "1000");
  for (int page = 0;; ++page) {
    if (page == kMaxPages)
      throw Error(Errc::corrupt, "{}: the list of tags has no end", first.redacted());
    auto response = co_await session.send({"GET", url, {}, {}, nullptr}, 404);
    if (response.status() == 404) {
      co_await response.read_words();
      break;
    }
    const std::string text = co_await response.read_all(kMaxPageBytes);
    for (std::string& tag : parse_tags(text)) {
      if (tag.starts_with(prefix)) found.push_back(std::move(tag));
    }
    const auto link = response.headers().find("Link");
    const auto next = link ? next_page(*link) : std::nullopt;
    if (!next) break;
    const Url there = first.resolve(*next);
    // Credentials go with the request: only to the registry itself, whatever a proxy makes of it.
    if (there.host != first.host) break;
    url.target = there.target;
  }
  std::ranges::sort(found);
  found.erase(std::ranges::unique(found).begin(), found.end());
  co_return found;
}

}  // namespace kiln::registry
