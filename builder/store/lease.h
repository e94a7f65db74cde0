// What running work needs and garbage collection must leave alone.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "builder/store/database.h"
#include "proto/digest.h"

namespace kiln::store {

class LeaseTable;

/// Pins layers and blobs until it is destroyed. Move-only; any thread.
class Lease {
 public:
  explicit Lease(LeaseTable& table) : table_(&table) {}
  Lease(Lease&& other) noexcept;
  Lease& operator=(Lease&&) = delete;
  ~Lease();

  void add(LayerId layer);
  void add(const Digest& blob);

 private:
  LeaseTable* table_;
  std::vector<LayerId> layers_;
  std::vector<Digest> blobs_;
};

/// All leases of the process. Thread-safe.
class LeaseTable {
 public:
  [[nodiscard]] bool holds(LayerId layer) const;
  [[nodiscard]] bool holds(const Digest& blob) const;

 private:
  friend class Lease;
  mutable std::mutex mutex_;
  std::map<LayerId, int> layers_;
  std::map<Digest, int> blobs_;
};

}  // namespace kiln::store
