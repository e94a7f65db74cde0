#include "builder/store/gc_plan.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <ranges>

#include "builder/os/dir.h"
#include "proto/error.h"
#include "proto/oci.h"

namespace kiln::store {

const std::set<Digest>& ImageNeeds::of(const Digest& manifest) {
  if (const auto found = known_.find(manifest); found != known_.end()) return found->second;
  std::set<Digest> needs{manifest};
  try {
    const std::string text = blobs_.read(manifest, oci::kMaxDocumentBytes);
    if (oci::is_index(oci::media_type_of(text))) {
      for (const oci::Descriptor& item : oci::parse_index(text).manifests) {
        needs.insert(item.digest);
        if (!blobs_.has(item.digest)) continue;
        const std::set<Digest>& inner = of(item.digest);
        needs.insert(inner.begin(), inner.end());
      }
    } else {
      const oci::Manifest parsed = oci::parse_manifest(text);
      needs.insert(parsed.config.digest);
      for (const oci::Descriptor& layer : parsed.layers)
        needs.insert(layer.digest);
    }
  } catch (const Error& error) {
    if (error.code() != Errc::not_found && error.code() != Errc::corrupt &&
        error.code() != Errc::invalid_input) {
      throw;  // a failing disk must not make an image's blobs look unneeded
    }
  }
  return known_.emplace(manifest, std::move(needs)).first->second;
}

Inventory take_inventory(Tables& tables) {
  return {tables.images(), tables.resolutions(), tables.records(), tables.layers(), tables.found()};
}

LastUses::LastUses(const Inventory& inventory) : inventory_(inventory) {
  const auto raise = [](std::int64_t& time_ns, std::int64_t to) {
    time_ns = std::max(time_ns, to);
  };
  for (const RecordRow& row : inventory.records) {
    for (const LayerId layer : row.layers)
      raise(layers_[layer], row.last_used_ns);
  }
  for (const LayerRow& row : inventory.layers) {
    const auto used = layers_.find(row.id);
    if (row.blob && used != layers_.end()) raise(blobs_[*row.blob], used->second);
  }
}

Rank LastUses::of(const ResolutionRow& row, ImageNeeds& needs) const {
  std::int64_t used_ns = row.resolved_ns;
  const auto found = inventory_.found.resolutions_ns.find({row.reference, row.platform});
  if (found != inventory_.found.resolutions_ns.end()) used_ns = std::max(used_ns, found->second);
  for (const Digest& blob : needs.of(row.manifest)) {
    if (const auto used = blobs_.find(blob); used != blobs_.end())
      used_ns = std::max(used_ns, used->second);
  }
  return {used_ns, 0, row.reference + " " + row.platform};
}

Rank LastUses::of(const RecordRow& row) {
  return {row.last_used_ns, -static_cast<std::int64_t>(row.layers.size()) - 1, row.key};
}

Rank LastUses::of(const ImageRow& row) {
  return {row.created_ns, std::numeric_limits<std::int64_t>::min(), row.reference};
}

namespace {

bool has_no_name(const ImageRow& row) {
  return row.reference.front() == kUnnamed;
}

class Planner {
 public:
  Planner(const Inventory& inventory,
          ImageNeeds& needs,
          const BlobStore& blobs,
          const LeaseTable& leases,
          const Cut& cut)
      : inventory_(inventory),
        needs_(needs),
        blobs_(blobs),
        leases_(leases),
        cut_(cut),
        uses_(inventory) {
    plan_.keep_since_ns = leases.oldest_ns();
  }

  Plan make() && {
    plan_images();
    plan_resolutions();
    plan_records();
    // A layer that another's snapshot is a difference from is older than that.
    for (const LayerRow& row : std::views::reverse(inventory_.layers))
      plan_layer(row);
    insert(plan_.kept_blobs, image_blobs_);
    insert(plan_.kept_blobs, resolution_blobs_);
    return std::move(plan_);
  }

 private:
  static void insert(std::set<Digest>& into, const std::set<Digest>& more) {
    into.insert(more.begin(), more.end());
  }
  /// A running build may have written or found it, and be about to lease it.
  [[nodiscard]] bool is_recent(std::int64_t time_ns) const {
    return time_ns >= plan_.keep_since_ns;
  }

  template <class Key>
  [[nodiscard]] bool was_found(const std::map<Key, std::int64_t>& found_ns, const Key& key) const {
    const auto found = found_ns.find(key);
    return found != found_ns.end() && is_recent(found->second);
  }

  void plan_images() {
    for (const ImageRow& row : inventory_.images) {
      const std::set<Digest>& needs = needs_.of(row.manifest);
      if (has_no_name(row) && cut_.takes(LastUses::of(row)) && !leases_.holds(row.manifest)) {
        plan_.images.push_back(row.reference);
        insert(plan_.released_blobs, needs);
      } else {
        insert(image_blobs_, needs);
      }
    }
  }

  void plan_resolutions() {
    for (const ResolutionRow& row : inventory_.resolutions) {
      const std::set<Digest>& needs = needs_.of(row.manifest);
      const bool in_use = is_recent(row.resolved_ns) ||
                          was_found(inventory_.found.resolutions_ns, {row.reference, row.platform});
      if (cut_.all && !in_use && cut_.takes(uses_.of(row, needs_))) {
        plan_.resolutions.push_back(row);
        insert(plan_.released_blobs, needs);
      } else {
        insert(resolution_blobs_, needs);
      }
    }
  }

  /// Unless all shall go, what images and base images were made of stays quick to build again.
  [[nodiscard]] bool is_of_images(const RecordRow& row,
                                  const std::unordered_set<LayerId>& image_layers) const {
    return !cut_.all && !row.layers.empty() && std::ranges::all_of(row.layers, [&](LayerId layer) {
      return image_layers.contains(layer);
    });
  }

  void plan_records() {
    std::unordered_set<LayerId> image_layers;
    for (const LayerRow& row : inventory_.layers) {
      if (row.blob && (image_blobs_.contains(*row.blob) || resolution_blobs_.contains(*row.blob))) {
        image_layers.insert(row.id);
      }
    }
    for (const RecordRow& row : inventory_.records) {
      // The top layer is the record's own; those below are shared with many.
      const bool held =
          !row.layers.empty() && (leases_.holds(row.layers.back()) ||
                                  was_found(inventory_.found.layers_ns, row.layers.back()));
      if (held || !cut_.takes(LastUses::of(row)) || is_of_images(row, image_layers)) {
        record_layers_.insert(row.layers.begin(), row.layers.end());
      } else {
        plan_.records.push_back(row.key);
      }
    }
  }

  [[nodiscard]] bool is_in_use(const LayerRow& row) const {
    return leases_.holds(row.id) || (row.blob && leases_.holds(*row.blob)) ||
           was_found(inventory_.found.layers_ns, row.id) ||
           (is_recent(row.created_ns) && !uses_.is_recorded(row.id));
  }

  void plan_layer(const LayerRow& row) {
    if (record_layers_.contains(row.id) || is_in_use(row) ||
        (row.blob && resolution_blobs_.contains(*row.blob))) {
      if (row.blob) plan_.kept_blobs.insert(*row.blob);
      if (row.has_snapshot) bases_.insert(row.delta_of);
    } else if (bases_.contains(row.id)) {
      return;  // of it only the snapshot is needed
    } else if (row.blob && image_blobs_.contains(*row.blob)) {
      // The image needs the blob; the snapshot only when that is all there is.
      if (row.has_snapshot && blobs_.size(*row.blob) == row.blob_bytes) {
        plan_.snapshots.push_back(row);
      } else if (row.has_snapshot) {
        bases_.insert(row.delta_of);
      }
    } else {
      if (row.blob) plan_.released_blobs.insert(*row.blob);
      plan_.layers.push_back(row);
    }
  }

  const Inventory& inventory_;
  ImageNeeds& needs_;
  const BlobStore& blobs_;
  const LeaseTable& leases_;
  const Cut& cut_;
  const LastUses uses_;
  std::set<Digest> image_blobs_;
  std::set<Digest> resolution_blobs_;
  std::unordered_set<LayerId> record_layers_;
  std::unordered_set<LayerId> bases_;  ///< what snapshots that stay are a difference from
  Plan plan_;
};

}  // namespace

Plan plan_collection(const Inventory& inventory,
                     ImageNeeds& needs,
                     const BlobStore& blobs,
                     const LeaseTable& leases,
                     const Cut& cut) {
  return Planner(inventory, needs, blobs, leases, cut).make();
}

std::vector<Rank> ranks_of(const Inventory& inventory, ImageNeeds& needs) {
  const LastUses uses(inventory);
  std::vector<Rank> ranks;
  for (const ImageRow& row : inventory.images) {
    if (has_no_name(row)) ranks.push_back(LastUses::of(row));
  }
  for (const ResolutionRow& row : inventory.resolutions)
    ranks.push_back(uses.of(row, needs));
  for (const RecordRow& row : inventory.records)
    ranks.push_back(LastUses::of(row));
  return ranks;
}

std::vector<BlobFile> list_blobs(const Store& store) {
  const std::filesystem::path path = store.root() / "blobs" / "sha256";
  const os::Dir directory = os::Dir::open(path);
  std::vector<BlobFile> files;
  for (const os::DirEntry& entry : directory.entries()) {
    struct stat status{};
    if (::fstatat(directory.fd(), entry.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;
      throw system_error(errno, "stat " + (path / entry.name).string());
    }
    try {
      files.push_back(
          {Digest::parse("sha256:" + entry.name),
           static_cast<std::uint64_t>(status.st_blocks) * 512,
           std::int64_t{status.st_ctim.tv_sec} * 1'000'000'000 + status.st_ctim.tv_nsec});
    } catch (const Error&) {
      continue;  // not a blob: somebody else's file is not ours to judge
    }
  }
  return files;
}

bool is_garbage(const BlobFile& blob, const Plan& plan) {
  // Files are dated by a clock that is up to one timer tick behind.
  constexpr std::int64_t kClockTick = 10'000'000;
  if (plan.kept_blobs.contains(blob.digest)) return false;
  // What had an owner is not somebody's who is about to name it; but for who found it, see
  // BlobStore::unless_found_since.
  return plan.released_blobs.contains(blob.digest) ||
         blob.changed_ns < plan.keep_since_ns - kClockTick;
}

}  // namespace kiln::store
