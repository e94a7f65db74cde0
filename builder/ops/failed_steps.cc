#include "builder/ops/failed_steps.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <cstdio>
#include <list>

#include "builder/os/offload.h"
#include "proto/error.h"

namespace kiln::ops {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using std::chrono::steady_clock;

namespace {

/// A step that filled the disk must give its space back.
constexpr std::uint64_t kLeastFreePercent = 5;

void make_directory(const fs::path& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    throw system_error(errno, "make directory " + path.string());
}

bool is_nearly_full(const fs::path& path) {
  struct statvfs status{};
  if (::statvfs(path.c_str(), &status) != 0) throw system_error(errno, "statvfs " + path.string());
  return std::uint64_t{status.f_bavail} * 100 < status.f_blocks * kLeastFreePercent;
}

void remove_quietly(const fs::path& directory) {
  try {
    os::remove_tree(directory);
  } catch (const Error&) {
    return;  // the next start removes it
  }
}

}  // namespace

FailedStep::~FailedStep() {
  // The lease goes with this object: nothing mounts the directory any more.
  asio::post(pool_, [directory = directory_] { remove_quietly(directory); });
}

struct FailedSteps::State {
  State(asio::any_io_executor executor,
        store::Store& store_,
        store::LeaseTable& leases_,
        asio::thread_pool& pool_,
        FailedStepLimits limits_)
      : store(store_), leases(leases_), pool(pool_), limits(limits_), expiry(std::move(executor)) {}

  struct Row {
    Entry entry;
    steady_clock::time_point end;
  };

  store::Store& store;
  store::LeaseTable& leases;
  asio::thread_pool& pool;
  FailedStepLimits limits;
  asio::steady_timer expiry;
  std::list<Row> rows;  ///< oldest first
  std::uint64_t next = 0;
  bool closed = false;

  [[nodiscard]] fs::path root() const { return store.root() / "failed"; }

  /// Drops what is over, and wakes up for the next.
  static void expire(const std::shared_ptr<State>& state) {
    const auto now = steady_clock::now();
    std::erase_if(state->rows, [&](const Row& row) { return row.end <= now; });
    if (state->rows.empty()) {
      state->expiry.cancel();
      return;
    }
    state->expiry.expires_at(state->rows.front().end);
    state->expiry.async_wait([weak = std::weak_ptr(state)](boost::system::error_code error) {
      const auto self = weak.lock();
      if (self && !error) expire(self);
    });
  }
};

FailedSteps::FailedSteps(asio::any_io_executor executor,
                         store::Store& store,
                         store::LeaseTable& leases,
                         asio::thread_pool& pool,
                         FailedStepLimits limits)
    : state_(std::make_shared<State>(std::move(executor), store, leases, pool, limits)) {
  os::remove_tree(state_->root());
  make_directory(state_->root());
}

FailedSteps::~FailedSteps() = default;

asio::awaitable<std::shared_ptr<const FailedStep>> FailedSteps::keep(
    const graph::ExecOp& op,
    std::vector<solver::Stack> inputs,
    ContextCopies copies,
    std::shared_ptr<snapshot::Workspace> workspace) {
  const std::shared_ptr<State> state = state_;
  const bool wanted = state->limits.keep_steps > 0 && state->limits.keep_for.count() > 0;
  if (!wanted || state->closed) co_return nullptr;
  store::Lease lease = store::Lease::of_things_alone(state->leases);
  for (const solver::Stack& stack : inputs) {
    for (const store::LayerId layer : stack)
      lease.add(layer);
  }
  const fs::path directory = state->root() / std::to_string(state->next++);
  const auto kept = std::make_shared<const FailedStep>(op, std::move(inputs), std::move(lease),
                                                       directory, state->pool);
  auto move = [&] {
    if (is_nearly_full(state->root())) return false;
    make_directory(directory);
    workspace->commit(kept->upper());
    for (const auto& [index, copy] : copies) {
      const fs::path to = kept->copy(index);
      if (::rename(copy->path().c_str(), to.c_str()) != 0)
        throw system_error(errno, "rename to " + to.string());
    }
    return true;
  };
  try {
    if (co_await os::offload(state->pool, move)) co_return kept;
  } catch (const Error&) {
    co_return nullptr;  // the step's own failure is what the user has to see
  }
  co_return nullptr;
}

void FailedSteps::add(Entry entry) {
  if (state_->closed) return;
  state_->rows.push_back({std::move(entry), steady_clock::now() + state_->limits.keep_for});
  while (state_->rows.size() > state_->limits.keep_steps)
    state_->rows.pop_front();
  State::expire(state_);
}

FailedSteps::Entry FailedSteps::find(const std::string& build, uid_t uid) const {
  const Entry* found = nullptr;
  bool foreign = false;
  for (const State::Row& row : state_->rows) {
    if (!row.entry.build_id.starts_with(build)) continue;
    if (uid != 0 && row.entry.owner != uid) {
      foreign = true;
      continue;
    }
    if (found != nullptr && !build.empty() && found->build_id != row.entry.build_id)
      throw Error(Errc::invalid_input, "{}: several builds begin so; give more of the id", build);
    found = &row.entry;
  }
  if (found != nullptr) return *found;
  if (foreign && !build.empty())
    throw Error(Errc::denied, "build {}: it is another user's; he or root may debug it", build);
  const std::string rule = fmt::format(
      "of the last {} builds that failed in a RUN, for {}, unless the disk is nearly "
      "full or `kiln prune` removed it",
      state_->limits.keep_steps, kept_for());
  if (build.empty()) throw Error(Errc::not_found, "no failed step is kept: it is {}", rule);
  throw Error(Errc::not_found, "build {}: no failed step of it is kept: that is {}", build, rule);
}

std::vector<FailedSteps::Entry> FailedSteps::list() const {
  std::vector<Entry> entries;
  for (const State::Row& row : state_->rows)
    entries.push_back(row.entry);
  return entries;
}

asio::awaitable<std::uint64_t> FailedSteps::prune() {
  const std::shared_ptr<State> state = state_;
  std::list<State::Row> going;
  std::swap(going, state->rows);
  State::expire(state);
  auto measure = [&] {
    std::uint64_t bytes = 0;
    for (const State::Row& row : going)
      bytes += snapshot::disk_bytes(row.entry.kept->directory());
    return bytes;
  };
  co_return co_await os::offload(state->pool, measure);
}

void FailedSteps::remove(const std::string& build_id) {
  std::erase_if(state_->rows,
                [&](const State::Row& row) { return row.entry.build_id == build_id; });
  State::expire(state_);
}

void FailedSteps::close() {
  state_->closed = true;
  state_->rows.clear();
  state_->expiry.cancel();
}

std::string FailedSteps::kept_for() const {
  const auto seconds = state_->limits.keep_for.count();
  if (seconds % 3600 == 0) return fmt::format("{} h", seconds / 3600);
  return seconds % 60 == 0 ? fmt::format("{} min", seconds / 60) : fmt::format("{} s", seconds);
}

}  // namespace kiln::ops
