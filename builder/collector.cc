#include "builder/collector.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <limits>

#include "builder/os/file.h"
#include "builder/os/offload.h"
#include "builder/store/git_cache.h"
#include "builder/store/histories.h"
#include "proto/error.h"

namespace kiln {

namespace asio = boost::asio;
using store::Disposable;

namespace {

constexpr std::chrono::milliseconds kBusyInterval{100};
constexpr std::chrono::milliseconds kNearInterval{20};  ///< when the cap is near
constexpr std::chrono::milliseconds kIdleInterval{60'000};
constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::chrono::milliseconds kFirstRetry{1'000};
constexpr std::int64_t kAgesNs = 3600 * kSecond;

/// Of the cap, in percent: a collection begins above the one and ends below the other, so that
/// there is room for what builds finish meanwhile, and so that not every step makes one.
constexpr std::uint64_t kBegin = 90;
constexpr std::uint64_t kEnd = 80;
/// Above that the cap may be reached before the next look, if that is not soon.
constexpr std::uint64_t kNear = 60;

std::string megabytes(std::uint64_t bytes) {
  return fmt::format("{}.{} MB", bytes / 1'000'000, bytes / 100'000 % 10);
}

}  // namespace

struct Collector::Alarm {
  explicit Alarm(const asio::any_io_executor& executor) : timer(executor) {}
  asio::steady_timer timer;
  bool rang = false;

  void ring() {
    rang = true;
    timer.cancel();
  }
};

Collector::Collector(asio::io_context& io,
                     store::Store& store,
                     store::LeaseTable& leases,
                     ops::CacheMounts& cache_mounts,
                     ops::FailedSteps& failed_steps,
                     const GcLimits& limits,
                     std::function<void(const std::string&)> tell)
    : store_(store),
      leases_(leases),
      cache_mounts_(cache_mounts),
      failed_steps_(failed_steps),
      limits_(limits),
      tell_(std::move(tell)),
      alarm_(std::make_shared<Alarm>(io.get_executor())),
      accountant_(store),
      tasks_(io.get_executor()) {
  leases_.when_busy([executor = io.get_executor(), alarm = alarm_] {
    asio::post(executor, [alarm] { alarm->ring(); });
  });
}

Collector::~Collector() = default;

void Collector::start() {
  tasks_.spawn(run());
}

asio::awaitable<void> Collector::stop() {
  tasks_.cancel();
  co_await tasks_.join();
}

asio::awaitable<void> Collector::run() {
  // What is being removed is removed to its end.
  co_await asio::this_coro::throw_if_cancelled(false);
  while (true) {
    std::string failure;
    try {
      co_await look();
      co_await look_at_ages();
    } catch (const std::exception& error) {
      failure = fmt::format("what nobody needs cannot be removed from the store: {}", error.what());
      next_try_ = std::chrono::steady_clock::now() + kFirstRetry;
    }
    if (!failure.empty()) tell_once(std::move(failure));
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) break;
    co_await wait();
  }
}

/// Until somebody begins to use the store, or it is time for another look.
asio::awaitable<void> Collector::wait() {
  auto interval = kIdleInterval;
  if (is_busy()) {
    interval = is_near() ? kNearInterval : kBusyInterval;
    retry_ = {};
  } else if (wished_bytes() > 0) {
    retry_ = std::clamp(2 * retry_, kFirstRetry, kIdleInterval);
    interval = retry_;
  }
  if (std::exchange(alarm_->rang, false)) co_return;
  alarm_->timer.expires_after(interval);
  boost::system::error_code error;
  co_await alarm_->timer.async_wait(asio::redirect_error(asio::use_awaitable, error));
}

bool Collector::is_busy() const {
  return leases_.oldest_ns() != std::numeric_limits<std::int64_t>::max();
}

asio::awaitable<void> Collector::measure() {
  auto work = [this, in_use = cache_mounts_.in_use()] {
    struct statvfs disk{};
    if (::statvfs(store_.root().c_str(), &disk) != 0)
      throw system_error(errno, "statvfs " + store_.root().string());
    return std::pair(accountant_.measure(in_use), disk);
  };
  const auto [sizes, disk] = co_await os::offload(thread_, work);
  sizes_ = sizes;
  free_bytes_ = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  total_bytes_ = std::uint64_t{disk.f_blocks} * disk.f_frsize;
}

asio::awaitable<void> Collector::rest() {
  if (is_busy() || looking_) co_return;
  co_await os::offload(thread_, [this] { accountant_.rest(); });
}

std::uint64_t Collector::min_free_bytes() const {
  return std::max(limits_.min_free_bytes,
                  total_bytes_ / 100 * static_cast<std::uint64_t>(limits_.min_free_percent));
}

bool Collector::is_near() const {
  return limits_.max_bytes > 0 && sizes_.sum() > limits_.max_bytes / 100 * kNear;
}

/// What a collection should free now.
std::uint64_t Collector::wished_bytes() const {
  std::uint64_t bytes = 0;
  const std::uint64_t sum = sizes_.sum();
  const std::uint64_t percent = limits_.max_bytes / 100;
  if (percent > 0 && sum > percent * kBegin) bytes = sum - percent * kEnd;
  if (const std::uint64_t wanted = min_free_bytes(); free_bytes_ < wanted)
    bytes = std::max(bytes, wanted - free_bytes_ + total_bytes_ / 100);
  return bytes;
}

asio::awaitable<void> Collector::look() {
  looking_ = true;
  const std::unique_ptr<bool, void (*)(bool*)> looked(&looking_,
                                                      [](bool* looking) { *looking = false; });
  co_await measure();
  const std::uint64_t bytes = wished_bytes();
  const auto begin = std::chrono::steady_clock::now();
  if (bytes > 0 && begin >= next_try_) {
    PruneReport report = co_await collect(
        {.all = true, .free_bytes = bytes},
        {Disposable::Kind::cache_mount, Disposable::Kind::repository, Disposable::Kind::build});
    // What failed steps left is kept for somebody who looks, as long as there is room.
    if (report.freed_bytes < bytes) report.freed_bytes += co_await failed_steps_.prune();
    co_await measure();
    // Where most is needed, looking for more shall not keep a processor busy.
    const auto end = std::chrono::steady_clock::now();
    next_try_ = report.freed_bytes < bytes / 2 ? end + 2 * (end - begin) : end;
  }
  judge();
}

/// Says which limit is not kept although all that nobody needs is gone.
void Collector::judge() {
  const bool over_cap = limits_.max_bytes > 0 && sizes_.sum() > limits_.max_bytes;
  const bool too_full = free_bytes_ < min_free_bytes();
  trouble_.clear();
  if (over_cap) {
    trouble_ = fmt::format("the store takes {}, [gc] max-bytes is {}", megabytes(sizes_.sum()),
                           megabytes(limits_.max_bytes));
  } else if (too_full) {
    trouble_ = fmt::format("the disk of the store has {} free, [gc] min-free is {}",
                           megabytes(free_bytes_), megabytes(min_free_bytes()));
  }
  if (trouble_.empty()) {
    told_.clear();
    return;
  }
  trouble_ +=
      ": what is left is needed by images or running builds, or is the database; remove "
      "images with `kiln rmi`, or change the limit";
  // Running builds end: nothing that an operator has to do something about. Nor is it when what
  // they have left has just been looked for while they ran.
  if (told_.empty() && !is_busy() && retry_.count() > 0) tell_once(trouble_);
}

asio::awaitable<void> Collector::look_at_ages() {
  const std::int64_t now = os::now_ns();
  if (limits_.max_age.count() == 0 || now < next_ages_ns_) co_return;
  next_ages_ns_ = now + kAgesNs;
  co_await collect(
      {.all = true, .used_before_ns = now - limits_.max_age.count() * kSecond},
      {Disposable::Kind::cache_mount, Disposable::Kind::repository, Disposable::Kind::build});
}

asio::awaitable<PruneReport> Collector::collect(store::Goal goal,
                                                std::set<Disposable::Kind> kinds) {
  auto work = [&] {
    std::vector<Disposable> others = accountant_.disposables();
    std::erase_if(others, [&](const Disposable& other) { return !kinds.contains(other.kind); });
    return store::collect(store_, leases_, goal, others);
  };
  store::Collected collected = co_await os::offload(thread_, work);
  collected.report.freed_bytes += co_await remove(std::move(collected.others));
  co_return collected.report;
}

asio::awaitable<std::uint64_t> Collector::remove(std::vector<Disposable> others) {
  std::set<std::string> mounts;
  for (const Disposable& other : others) {
    if (other.kind == Disposable::Kind::cache_mount) mounts.insert(other.name);
  }
  std::uint64_t freed = 0;
  if (!mounts.empty()) freed += co_await cache_mounts_.prune(std::move(mounts));
  auto work = [&] {
    std::uint64_t bytes = 0;
    std::vector<std::string> builds;
    for (const Disposable& other : others) {
      if (other.kind == Disposable::Kind::repository)
        bytes += store::remove_repository(store_, other.name);
      if (other.kind == Disposable::Kind::build) builds.push_back(other.name);
    }
    return bytes + store::remove_histories(store_, builds).freed_bytes;
  };
  co_return freed + co_await os::offload(thread_, work);
}

asio::awaitable<PruneReport> Collector::prune(PruneRequest request) {
  co_await measure();
  store::Goal goal{.all = request.all};
  if (request.older_than_s > 0) goal.used_before_ns = os::now_ns() - request.older_than_s * kSecond;
  if (request.keep_bytes > 0) {
    if (sizes_.sum() <= request.keep_bytes) co_return PruneReport{};
    goal.free_bytes = sizes_.sum() - request.keep_bytes;
  }
  std::set<Disposable::Kind> kinds{Disposable::Kind::repository};
  if (request.all) kinds.insert(Disposable::Kind::cache_mount);
  PruneReport report = co_await collect(goal, std::move(kinds));
  const bool everything = request.older_than_s == 0 && request.keep_bytes == 0;
  if (everything) report.freed_bytes += co_await failed_steps_.prune();
  if (request.all && everything) {
    auto clear = [](store::Tables& tables) { tables.clear_file_digests(); };
    co_await store_.database().run(clear);
  }
  co_return report;
}

std::vector<std::pair<std::string, std::string>> Collector::status() const {
  std::vector<std::pair<std::string, std::string>> entries;
  entries.emplace_back(
      "store", limits_.max_bytes > 0
                   ? fmt::format("{} of {}", megabytes(sizes_.sum()), megabytes(limits_.max_bytes))
                   : megabytes(sizes_.sum()));
  if (!trouble_.empty()) entries.emplace_back("note", trouble_);
  return entries;
}

void Collector::tell_once(std::string text) {
  if (text == told_) return;
  tell_(text);
  told_ = std::move(text);
}

}  // namespace kiln
