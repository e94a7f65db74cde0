#include "builder/store/fsck.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "builder/os/dir.h"
#include "builder/store/gc_plan.h"
#include "builder/store/implied_names.h"
#include "builder/store/query.h"
#include "builder/store/repair.h"
#include "builder/store/users.h"
#include "proto/error.h"

namespace kiln::store {

namespace {

namespace fs = std::filesystem;
using Finding = FsckReport::Finding;

bool has_directory(const fs::path& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

/// Looks at rows that name each other.
class RowCheck {
 public:
  RowCheck(Store& store, const Damaged& damaged, bool repair)
      : store_(store),
        damaged_(damaged),
        repair_(repair),
        inventory_(
            store.database().run_blocking([](Tables& tables) { return take_inventory(tables); })) {
    for (const LayerRow& layer : inventory_.layers) {
      layers_.emplace(layer.id, &layer);
      const bool sound = layer.has_snapshot && !damaged_.snapshots.contains(layer.id);
      if (layer.blob && (sound || !layer.origin.empty())) restorable_.insert(*layer.blob);
    }
  }

  std::vector<Finding> run() && {
    for (const RecordRow& record : inventory_.records)
      check(record);
    for (const ImageRow& image : inventory_.images)
      check(image);
    find_orphans();
    return std::move(findings_);
  }

 private:
  [[nodiscard]] bool is_available(const LayerRow& layer) const {
    if (layer.has_snapshot && !damaged_.snapshots.contains(layer.id) &&
        has_directory(store_.snapshot_path(layer.id))) {
      return true;
    }
    if (!layer.blob) return false;
    const bool here =
        store_.blobs().has(*layer.blob, layer.blob_bytes) && !damaged_.blobs.contains(*layer.blob);
    return here || !layer.origin.empty();
  }

  void check(const RecordRow& record) {
    for (const LayerId id : record.layers) {
      const auto layer = layers_.find(id);
      if (layer != layers_.end() && is_available(*layer->second)) continue;
      const char* what =
          layer == layers_.end() ? "is gone" : "is damaged or gone, in all its forms";
      Finding finding{"record",
                      name_of(record),
                      fmt::format("layer {} {}", static_cast<std::int64_t>(id), what),
                      {},
                      false};
      if (repair_) {
        store_.database().run_blocking([&](Tables& tables) { tables.remove_record(record.key); });
        finding.repaired = true;
      }
      findings_.push_back(std::move(finding));
      return;
    }
  }

  [[nodiscard]] std::optional<std::string> problem_of(const ImageRow& image) {
    if (damaged_.blobs.contains(image.manifest)) return "its manifest is damaged";
    ImageNeeds needs(store_.blobs());
    for (const Digest& digest : needs.of(image.manifest)) {
      if (damaged_.blobs.contains(digest) && !restorable_.contains(digest))
        return fmt::format("blob {} is damaged, and nothing is left to make it from", digest.str());
    }
    if (!is_whole(store_.blobs(), restorable_, image.manifest, image.media_type))
      return "parts of it are gone";
    return std::nullopt;
  }

  void check(const ImageRow& image) {
    std::optional<std::string> problem = problem_of(image);
    if (!problem) return;
    Finding finding{"image", name_of(image), std::move(*problem), {}, false};
    if (repair_) {
      store_.database().run_blocking([&](Tables& tables) { tables.remove_image(image.reference); });
      finding.repaired = true;
    }
    findings_.push_back(std::move(finding));
  }

  /// A row comes before its directory, and goes before it too: what has no row now and had none
  /// when the rows were read is nobody's.
  void find_orphans() {
    const fs::path folder = store_.root() / "snapshots";
    for (const os::DirEntry& entry : os::Dir::open(folder).entries()) {
      const std::string name = entry.name.substr(0, entry.name.find('.'));
      const bool known = std::ranges::any_of(layers_, [&](const auto& layer) {
        return store_.snapshot_path(layer.first).filename() == name;
      });
      if (known || is_newer(name)) continue;
      Finding finding{"orphan", "snapshots/" + entry.name, "no layer has this number", {}, false};
      if (repair_) {
        const os::TempDir trash = store_.make_temp("orphan");
        finding.repaired =
            ::rename((folder / entry.name).c_str(), (trash.path() / "snapshot").c_str()) == 0;
      }
      findings_.push_back(std::move(finding));
    }
  }

  /// Numbers only grow: a layer that was added since the rows were read.
  [[nodiscard]] bool is_newer(const std::string& name) const {
    if (name.empty() || name.find_first_not_of("0123456789") != std::string::npos ||
        name.size() > 18)
      return false;
    return layers_.empty() || LayerId{std::stoll(name)} > layers_.rbegin()->first;
  }

  Store& store_;
  const Damaged& damaged_;
  bool repair_;
  const Inventory inventory_;
  std::map<LayerId, const LayerRow*> layers_;
  std::set<Digest> restorable_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<std::string> database_problems(Store& store) {
  std::vector<std::string> problems;
  try {
    SQLite::Database database((store.root() / "kiln.db").string(), SQLite::OPEN_READONLY,
                              /*aBusyTimeoutMs=*/2000);
    SQLite::Statement statement(database, "PRAGMA integrity_check(20)");
    while (statement.executeStep()) {
      std::string line = statement.getColumn(0).getString();
      if (line != "ok") problems.push_back(std::move(line));
    }
  } catch (const SQLite::Exception& exception) {
    problems.emplace_back(exception.what());
  }
  return problems;
}

std::vector<Digest> blob_names(Store& store) {
  std::vector<Digest> names;
  for (BlobFile& blob : list_blobs(store))
    names.push_back(std::move(blob.digest));
  return names;
}

std::optional<std::string> blob_problem(Store& store, const Digest& digest, std::stop_token stop) {
  struct Nowhere final : Sink {
    explicit Nowhere(std::stop_token token) : stop(std::move(token)) {}
    void write(Bytes) override {
      if (stop.stop_requested()) throw Error(Errc::cancelled, "check a blob: cancelled");
    }
    std::stop_token stop;
  } nowhere(std::move(stop));
  HashingSink hashing(nowhere);
  try {
    const auto source = store.blobs().open(digest);
    copy(*source, hashing);
  } catch (const Error& error) {
    if (error.code() == Errc::not_found) return std::nullopt;
    if (error.code() == Errc::cancelled) throw;
    return error.what();
  }
  if (hashing.digest() == digest) return std::nullopt;
  return fmt::format("its {} bytes are {}", hashing.count_bytes(), hashing.digest().str());
}

bool drop_snapshot(Store& store, const LeaseTable& leases, LayerId layer) {
  const os::TempDir trash = store.make_temp("damaged");
  return store.database().run_blocking([&](Tables& tables) {
    if (leases.holds(layer)) return false;
    const fs::path path = store.snapshot_path(layer);
    if (::rename(path.c_str(), (trash.path() / "snapshot").c_str()) != 0 && errno != ENOENT)
      throw system_error(errno, "rename " + path.string());
    tables.set_layer_snapshot(layer, false, 0);
    return true;
  });
}

std::vector<Finding> check_rows(Store& store, const Damaged& damaged, bool repair) {
  return RowCheck(store, damaged, repair).run();
}

}  // namespace kiln::store
