#include "builder/store/lease.h"

#include <limits>

#include "builder/os/file.h"

namespace kiln::store {

namespace {
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
}  // namespace

Lease::Lease(LeaseTable& table) : Lease(table, os::now_ns()) {}

Lease Lease::of_things_alone(LeaseTable& table) {
  return Lease(table, kNever);
}

Lease::Lease(LeaseTable& table, std::int64_t started_ns) : table_(&table), started_ns_(started_ns) {
  bool first = false;
  {
    const std::scoped_lock lock(table_->mutex_);
    const std::multiset<std::int64_t>& others = table_->started_ns_;
    first = started_ns_ != kNever && (others.empty() || *others.begin() == kNever);
    table_->started_ns_.insert(started_ns_);
  }
  if (first && table_->when_busy_) table_->when_busy_();
}

Lease::Lease(Lease&& other) noexcept
    : table_(std::exchange(other.table_, nullptr)),
      started_ns_(other.started_ns_),
      layers_(std::move(other.layers_)),
      blobs_(std::move(other.blobs_)) {}

Lease::~Lease() {
  if (!table_) return;
  const std::scoped_lock lock(table_->mutex_);
  const auto give_back = [](auto& counts, const auto& key) {
    const auto found = counts.find(key);
    if (--found->second == 0) counts.erase(found);
  };
  for (const LayerId layer : layers_)
    give_back(table_->layers_, layer);
  for (const Digest& blob : blobs_)
    give_back(table_->blobs_, blob);
  table_->started_ns_.erase(table_->started_ns_.find(started_ns_));
}

void Lease::add(LayerId layer) {
  const std::scoped_lock lock(table_->mutex_);
  layers_.push_back(layer);
  ++table_->layers_[layer];
}

void Lease::add(const Digest& blob) {
  const std::scoped_lock lock(table_->mutex_);
  blobs_.push_back(blob);
  ++table_->blobs_[blob];
  if (table_->sweeping_) table_->leased_since_.insert(blob);
}

bool LeaseTable::holds(LayerId layer) const {
  const std::scoped_lock lock(mutex_);
  return layers_.contains(layer);
}

bool LeaseTable::holds(const Digest& blob) const {
  const std::scoped_lock lock(mutex_);
  return blobs_.contains(blob);
}

std::int64_t LeaseTable::oldest_ns() const {
  const std::scoped_lock lock(mutex_);
  return started_ns_.empty() ? std::numeric_limits<std::int64_t>::max() : *started_ns_.begin();
}

LeaseTable::Sweep::Sweep(LeaseTable& table) : table_(table), one_at_a_time_(table.sweep_mutex_) {
  const std::scoped_lock lock(table_.mutex_);
  table_.sweeping_ = true;
}

LeaseTable::Sweep::~Sweep() {
  const std::scoped_lock lock(table_.mutex_);
  table_.sweeping_ = false;
  table_.leased_since_.clear();
}

bool LeaseTable::Sweep::remove(const Digest& blob, const std::function<void()>& action) {
  const std::scoped_lock lock(table_.mutex_);
  if (table_.blobs_.contains(blob) || table_.leased_since_.contains(blob)) return false;
  action();
  return true;
}

}  // namespace kiln::store
