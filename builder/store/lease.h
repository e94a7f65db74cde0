// What running work needs and garbage collection must leave alone.
//
// Two rules make collection safe beside running builds:
//  - a blob is leased first and looked for (or committed) afterwards;
//  - a layer is leased inside the transaction that found its row, or that added it.
// Where that is not possible a lease that lives around the work does: what was written and has no
// owner yet, or was found without a lease (Tables::found), since the oldest living lease began is
// left alone as well. So each build, pull, push and load holds one from its start to its end, even
// an empty one. A layer has an owner once a record names it, and whoever wrote the record held a
// lease on its layers before: a long build does not keep what others have made and left.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "builder/store/database.h"
#include "proto/digest.h"

namespace kiln::store {

class LeaseTable;

/// Pins layers and blobs until it is destroyed. Move-only; any thread, one at a time.
class Lease {
 public:
  explicit Lease(LeaseTable& table);
  /// One that pins what is added to it and nothing else: for what lives long.
  static Lease of_things_alone(LeaseTable& table);
  Lease(Lease&& other) noexcept;
  Lease& operator=(Lease&&) = delete;
  ~Lease();

  void add(LayerId layer);
  void add(const Digest& blob);

 private:
  Lease(LeaseTable& table, std::int64_t started_ns);

  LeaseTable* table_;
  std::int64_t started_ns_;
  std::vector<LayerId> layers_;
  std::vector<Digest> blobs_;
};

/// All leases of the process. Thread-safe; outlives them.
class LeaseTable {
 public:
  [[nodiscard]] bool holds(LayerId layer) const;
  [[nodiscard]] bool holds(const Digest& blob) const;
  /// When the oldest living lease began, nanoseconds since the epoch; the largest number when there
  /// is none.
  [[nodiscard]] std::int64_t oldest_ns() const;
  /// `action`, short and not throwing, is called on any thread when the first lease of a time
  /// begins. Set once, before there are leases.
  void when_busy(std::function<void()> action) { when_busy_ = std::move(action); }

  /// A collection under way; a second one waits for it. It remembers each blob that is leased while
  /// it lives: such a blob may have got a new user after the collector had found it unused, even
  /// when the lease has ended already.
  class Sweep {
   public:
    explicit Sweep(LeaseTable& table);
    ~Sweep();
    Sweep(const Sweep&) = delete;
    Sweep& operator=(const Sweep&) = delete;
    /// Runs the short `action` unless the blob is leased, or was since the sweep began. No lease
    /// begins meanwhile. False when it did not run.
    bool remove(const Digest& blob, const std::function<void()>& action);

   private:
    LeaseTable& table_;
    std::unique_lock<std::mutex> one_at_a_time_;
  };

 private:
  friend class Lease;
  mutable std::mutex mutex_;
  std::mutex sweep_mutex_;
  std::map<LayerId, int> layers_;
  std::map<Digest, int> blobs_;
  std::multiset<std::int64_t> started_ns_;
  std::function<void()> when_busy_;
  bool sweeping_ = false;
  std::set<Digest> leased_since_;
};

}  // namespace kiln::store
