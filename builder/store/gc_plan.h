// What is garbage: a pure decision over what is there. Internal to the store's collection.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
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

/// A place in the order in which things go: what was used longest ago first; of what was used at
/// the same time the last steps of a build before those that they stand on.
struct Rank {
  std::int64_t last_used_ns = 0;
  std::int64_t minus_depth = 0;
  std::string name;
  friend auto operator<=>(const Rank&, const Rank&) = default;
};
inline const Rank kLastRank{std::numeric_limits<std::int64_t>::max(), 0, {}};

/// How much goes of what may go.
struct Cut {
  bool all = false;  ///< base images, and records of images and base images, too
  std::int64_t used_before_ns = std::numeric_limits<std::int64_t>::max();
  Rank up_to = kLastRank;  ///< and what comes before it

  [[nodiscard]] bool takes(const Rank& rank) const {
    return rank.last_used_ns < used_before_ns && rank <= up_to;
  }
};

/// What goes.
struct Plan {
  std::vector<std::string> images;   ///< references of those without a name
  std::vector<std::string> records;  ///< keys
  std::vector<ResolutionRow> resolutions;
  std::vector<LayerRow> layers;     ///< rows, with their snapshots
  std::vector<LayerRow> snapshots;  ///< of rows that stay
  std::set<Digest> kept_blobs;      ///< all others go, but what is leased
  std::set<Digest> released_blobs;  ///< of those, the ones that had an owner until now
  std::int64_t keep_since_ns = 0;   ///< blobs without an owner that are younger stay
};

/// Decides by `cut`: records, resolutions and nameless images that it takes go unless they are in
/// use, and with them layers that no record, image or lease needs. An image keeps its blobs, and a
/// snapshot where the layer's blob is not here.
[[nodiscard]] Plan plan_collection(const Inventory& inventory,
                                   ImageNeeds& needs,
                                   const BlobStore& blobs,
                                   const LeaseTable& leases,
                                   const Cut& cut);

/// The ranks of all that cuts decide about, in no order.
[[nodiscard]] std::vector<Rank> ranks_of(const Inventory& inventory, ImageNeeds& needs);

/// When layers and base images were used last.
class LastUses {
 public:
  explicit LastUses(const Inventory& inventory);
  /// A base image is used with the records that stand on it.
  [[nodiscard]] Rank of(const ResolutionRow& row, ImageNeeds& needs) const;
  [[nodiscard]] static Rank of(const RecordRow& row);
  [[nodiscard]] static Rank of(const ImageRow& row);  ///< without a name
  /// True when a record names it: then it has, or had, an owner.
  [[nodiscard]] bool is_recorded(LayerId layer) const { return layers_.contains(layer); }

 private:
  const Inventory& inventory_;
  std::unordered_map<LayerId, std::int64_t> layers_;
  std::map<Digest, std::int64_t> blobs_;
};

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
