#include "builder/store/usage_items.h"

#include <sys/stat.h>

#include <algorithm>

#include "builder/os/file.h"
#include "builder/store/users.h"
#include "proto/error.h"
#include "proto/reference.h"

namespace kiln::store {

namespace {

namespace fs = std::filesystem;
using Item = DiskUsage::Item;

std::string time_of(std::int64_t time_ns) {
  return time_ns == 0 ? "" : os::to_rfc3339(time_ns / 1'000'000'000 * 1'000'000'000);
}

std::string mtime_of(const fs::path& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 ? time_of(status.st_mtim.tv_sec * 1'000'000'000) : "";
}

class Lister {
 public:
  Lister(const Store& store, const UsageFacts& facts, ImageNeeds& needs)
      : store_(store), facts_(facts), needs_(needs), users_(facts.inventory, needs) {
    for (const BlobFile& blob : facts_.walked.blobs)
      blobs_.emplace(blob.digest, blob.disk_bytes);
    snapshots_ = facts_.walked.snapshots;
  }

  std::vector<Item> list() && {
    add_layers();
    add_images();
    add_records();
    add_folder("cache mount", facts_.walked.cache_mounts, "cache-mounts");
    add_folder("failed step", facts_.walked.failed, "failed");
    add_folder("git repository", facts_.walked.repositories, "git");
    add_builds();
    add_folder("unfinished", facts_.walked.unfinished, "tmp");
    for (const auto& [name, bytes] : facts_.walked.rest)
      add({name.starts_with("kiln.db") ? "database" : "other", name, bytes, "", {}});
    for (const auto& [name, bytes] : facts_.walked.directories)
      add({"folder", name, bytes, "", {}});
    for (const auto& [digest, bytes] : blobs_)
      add({"blob", digest.str(), bytes, "", users_of(digest)});
    for (const auto& [name, bytes] : snapshots_)
      add({"snapshot", name, bytes, "", {}});
    return std::move(items_);
  }

 private:
  void add(Item item) { items_.push_back(std::move(item)); }

  [[nodiscard]] std::vector<std::string> users_of(const Digest& digest) const {
    std::vector<std::string> names = users_.of_blob(digest);
    if (facts_.leases.holds(digest)) names.emplace_back("running builds");
    return names;
  }

  /// Each blob once: whoever is first has it.
  std::uint64_t take_blob(const Digest& digest) {
    const auto found = blobs_.find(digest);
    if (found == blobs_.end()) return 0;
    const std::uint64_t bytes = found->second;
    blobs_.erase(found);
    return bytes;
  }

  /// A snapshot and what is beside it.
  std::uint64_t take_snapshot(LayerId layer) {
    const std::string name = store_.snapshot_path(layer).filename();
    std::uint64_t bytes = 0;
    for (auto one = snapshots_.lower_bound(name);
         one != snapshots_.end() && one->first.starts_with(name);) {
      const bool own = one->first == name || one->first[name.size()] == '.';
      if (own) bytes += one->second;
      one = own ? snapshots_.erase(one) : std::next(one);
    }
    return bytes;
  }

  void add_layers() {
    for (const LayerRow& layer : facts_.inventory.layers) {
      Item item{"layer",
                fmt::format("{}", static_cast<std::int64_t>(layer.id)),
                take_snapshot(layer.id),
                "",
                {}};
      if (const RecordRow* maker = users_.maker_of(layer.id)) {
        item.name += " " + maker->name;
      } else if (!layer.origin.empty()) {
        item.name += " " + layer.origin;
      }
      if (layer.blob) item.size_bytes += take_blob(*layer.blob);
      item.needed_by = users_.names(layer);
      if (facts_.leases.holds(layer.id) || (layer.blob && facts_.leases.holds(*layer.blob)))
        item.needed_by.emplace_back("running builds");
      std::int64_t used_ns = layer.created_ns;
      for (const RecordRow* record : users_.of_layer(layer.id))
        used_ns = std::max(used_ns, record->last_used_ns);
      item.last_used = time_of(used_ns);
      add(std::move(item));
    }
  }

  void add_images() {
    for (const ImageRow& image : facts_.inventory.images) {
      Item item{"image", name_of(image), 0, time_of(image.created_ns), {}};
      for (const Digest& digest : needs_.of(image.manifest))
        item.size_bytes += take_blob(digest);
      add(std::move(item));
    }
    for (const ResolutionRow& row : facts_.inventory.resolutions) {
      Item item{"base image",
                fmt::format("{} {}", Reference::parse(row.reference).familiar(), row.platform),
                0,
                time_of(row.resolved_ns),
                {}};
      for (const Digest& digest : needs_.of(row.manifest))
        item.size_bytes += take_blob(digest);
      add(std::move(item));
    }
  }

  void add_records() {
    for (const RecordRow& record : facts_.inventory.records) {
      Item item{"record", name_of(record), 0, time_of(record.last_used_ns), {}};
      if (!record.layers.empty() && facts_.leases.holds(record.layers.back()))
        item.needed_by.emplace_back("running builds");
      add(std::move(item));
    }
  }

  void add_folder(const char* kind, const Walked::Sizes& sizes, const char* folder) {
    for (const auto& [name, bytes] : sizes) {
      const fs::path path = store_.root() / folder / name;
      Item item{kind, name, bytes, mtime_of(path), {}};
      const fs::path about = path / "about";  // of a cache mount: its id, dated by its last use
      if (fs::exists(about)) {
        std::string id = os::read_file(about, 64UL * 1024);
        id.resize(std::min(id.find('\n'), id.size()));
        item.name = fmt::format("{} ({})", id, name.substr(0, 12));
        item.last_used = mtime_of(about);
      }
      add(std::move(item));
    }
  }

  void add_builds() {
    Walked::Sizes left = facts_.walked.builds;
    for (const BuildRow& build : facts_.builds) {
      Item item{"build",
                build.id + " " + build.summary,
                0,
                time_of(std::max(build.started_ns, build.finished_ns)),
                {}};
      if (build.status == "running") item.needed_by.emplace_back("running builds");
      if (const auto found = left.find(build.id); found != left.end()) {
        item.size_bytes = found->second;
        left.erase(found);
      }
      add(std::move(item));
    }
    add_folder("build", left, "builds");
  }

  const Store& store_;
  const UsageFacts& facts_;
  ImageNeeds& needs_;
  const Users users_;
  std::map<Digest, std::uint64_t> blobs_;  ///< that no item has yet
  Walked::Sizes snapshots_;                ///< that no item has yet
  std::vector<Item> items_;
};

}  // namespace

std::vector<Item> list_items(const Store& store, const UsageFacts& facts, ImageNeeds& needs) {
  return Lister(store, facts, needs).list();
}

}  // namespace kiln::store
