#include "registry-client/retry.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <iomanip>
#include <locale>
#include <sstream>

namespace kiln::registry {

bool is_temporary(int status) {
  return status == 408 || status == 429 ||
         (status >= 500 && status < 600 && status != 501 && status != 505);
}

std::optional<std::chrono::seconds> parse_retry_after(std::string_view value,
                                                      std::chrono::system_clock::time_point now) {
  std::uint32_t seconds = 0;
  const char* end = value.data() + value.size();
  if (const auto [rest, error] = std::from_chars(value.data(), end, seconds);
      error == std::errc{} && rest == end) {
    return std::chrono::seconds(seconds);
  }
  std::tm date{};
  std::istringstream in{std::string(value)};
  in.imbue(std::locale::classic());
  in >> std::get_time(&date, "%a, %d %b %Y %H:%M:%S GMT");
  if (in.fail()) return std::nullopt;
  const auto when = std::chrono::system_clock::from_time_t(timegm(&date));
  return std::max(std::chrono::ceil<std::chrono::seconds>(when - now), std::chrono::seconds(0));
}

std::optional<std::chrono::milliseconds> Backoff::after(const TemporaryError& failure) {
  ++attempts_;
  if (attempts_ >= policy_.max_attempts) return std::nullopt;
  if (!failure.connected && ++connect_failures_ >= policy_.max_connects) return std::nullopt;
  if (failure.retry_after > policy_.max_retry_after) return std::nullopt;

  const int doublings = std::min(attempts_ - 1, 20);
  const auto delay = std::min<std::chrono::milliseconds>(
      policy_.max_delay, policy_.first_delay * (std::int64_t{1} << doublings));
  // Half fixed, half random: clients that failed together do not come back together.
  auto pause = delay / 2 + std::chrono::milliseconds(static_cast<std::int64_t>(
                               static_cast<double>(delay.count()) / 2 * pacer_.random()));
  if (failure.retry_after) {
    pause = std::max<std::chrono::milliseconds>(pause, *failure.retry_after);
  }
  return pause;
}

bool Backoff::after_corruption() {
  ++attempts_;
  return attempts_ < policy_.max_attempts && !std::exchange(was_corrupt_, true);
}

}  // namespace kiln::registry
