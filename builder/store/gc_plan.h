// What is garbage: a pure decision over what is there. Internal to gc.cc and usage.cc.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "builder/store/lease.h"
#include "builder/store/store.h"

namespace kiln::store {

/// The blobs that an image consists of, itself included, by the digest of its manifest or index.
/// Blobs never change, so what was read once holds for ever.
class ImageNeeds {
 public:
  explicit ImageNeeds(const BlobStore& blobs) : blobs_(blobs) {}
  /// What cannot be read has no needs but itself.
  const std::set<Digest>& of(const Digest& manifest);

 private:
  const BlobStore& blobs_;
  std::map<Digest, std::set<Digest>> known_;
};

/// The rows, as one transaction sees them.
struct Inventory {
  std::vector<ImageRow> images;
  std::vector<ResolutionRow> resolutions;
  std::vector<RecordRow> records;
  std::vector<LayerRow> layers;
  Tables::Found found;
};
[[nodiscard]] Inventory take_inventory(Tables& tables);

/// What goes.
struct Plan {
  std::vector<std::string> images;   ///< references of those without a name
  std::vector<std::string> records;  ///< keys
  std::vector<ResolutionRow> resolutions;
  std::vector<LayerRow> layers;     ///< rows, with their snapshots
  std::vector<LayerRow> snapshots;  ///< of rows that stay
  std::set<Digest> kept_blobs;      ///< all others go, but what is leased
  std::int64_t keep_since_ns = 0;   ///< blobs that are younger stay
};

/// What prune means (gc.h), applied.
[[nodiscard]] Plan plan_prune(const Inventory& inventory,
                              ImageNeeds& needs,
                              const BlobStore& blobs,
                              const LeaseTable& leases,
                              bool all);

/// A file in blobs/.
struct BlobFile {
  Digest digest;
  std::uint64_t disk_bytes = 0;
  std::int64_t changed_ns = 0;
};
[[nodiscard]] std::vector<BlobFile> list_blobs(const Store& store);

/// True when the blob goes by `plan`, leases aside.
[[nodiscard]] bool is_garbage(const BlobFile& blob, const Plan& plan);

}  // namespace kiln::store
