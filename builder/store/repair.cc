// Why this is enough, by how the last owner ended:
//  - closed: everything was synced and marked so;
//  - killed: the kernel still has every byte. A layer's row is added before its directory appears
//    in snapshots/, and says has_snapshot only after. Between the two a kill leaves a directory
//    without a row that claims it: removed. A row without its directory loses has_snapshot;
//  - the machine stopped: files may be empty or short although their names and rows are there.
//    Rows of a generation that was never synced are dropped, and blobs written since are hashed.
#include "builder/store/repair.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <ranges>
#include <set>

#include "builder/os/dir.h"
#include "builder/store/implied_names.h"
#include "proto/error.h"
#include "proto/oci.h"

namespace kiln::store {

namespace {

namespace fs = std::filesystem;

std::string boot_id() {
  std::string id = os::read_file("/proc/sys/kernel/random/boot_id", 128);
  while (!id.empty() && id.back() == '\n')
    id.pop_back();
  return id;
}

/// Undoes the octal escapes of the mount table ("\\040" is a space).
std::string unescape(std::string_view field) {
  std::string text;
  while (!field.empty()) {
    unsigned char byte = 0;
    if (field[0] == '\\' && field.size() >= 4 &&
        std::from_chars(field.data() + 1, field.data() + 4, byte, 8).ec == std::errc{}) {
      text += static_cast<char>(byte);
      field.remove_prefix(4);
    } else {
      text += field[0];
      field.remove_prefix(1);
    }
  }
  return text;
}

/// What a process of a shared mount namespace left mounted beneath tmp/ would keep it busy.
void detach_mounts(const fs::path& temp) {
  const std::string table = os::read_file("/proc/self/mountinfo", 64 * 1024 * 1024);
  const std::string prefix = temp.string() + "/";
  std::vector<std::string> targets;
  for (std::string_view rest = table; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    // source: proc_pid_mountinfo(5): the fifth field is the mount point.
    std::string_view field = line;
    for (int skip = 0; skip < 4; ++skip)
      field.remove_prefix(std::min(field.find(' ') + 1, field.size()));
    field = field.substr(0, field.find(' '));
    const std::string target = unescape(field);
    if (target.starts_with(prefix)) targets.push_back(target);
  }
  // The innermost was mounted last. One that stays makes the removal fail, which says its name.
  for (const std::string& target : targets | std::views::reverse)
    ::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

/// What cannot be removed is said, and in nobody's way: names in tmp/ are random.
void empty_temp(const fs::path& temp, std::vector<std::string>& notes) {
  detach_mounts(temp);
  for (const os::DirEntry& entry : os::Dir::open(temp).entries()) {
    try {
      os::remove_tree(temp / entry.name);
    } catch (const Error& error) {
      notes.emplace_back(error.what());
    }
  }
}

/// Out of sight at once, by rename; removed with the rest of tmp/.
void discard(const fs::path& root, const fs::path& path, std::string_view name) {
  const fs::path target = root / "tmp" / fmt::format("gone.{}.{}", name, os::now_ns());
  if (::rename(path.c_str(), target.c_str()) != 0 && errno != ENOENT) {
    throw system_error(errno, "rename to " + target.string());
  }
}

/// Puts the database's files aside. Returns the name of the first.
std::string put_aside(const fs::path& root) {
  std::string time = os::to_rfc3339(os::now_ns());
  time = time.substr(0, time.find('.'));
  const fs::path aside = root / ("kiln.db.damaged-" + time);
  for (const char* suffix : {"", "-wal", "-shm"}) {
    const fs::path from = root / (std::string("kiln.db") + suffix);
    const fs::path to = aside.string() + suffix;
    if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) {
      throw system_error(errno, "rename to " + to.string());
    }
  }
  return aside.string();
}

void drop_snapshots_without_layers(Store& store, std::vector<std::string>& notes) {
  const fs::path snapshots = store.root() / "snapshots";
  std::set<std::string> present;
  for (const os::DirEntry& entry : os::Dir::open(snapshots).entries()) {
    if (is_implied_name(entry.name)) {
      discard(store.root(), snapshots / entry.name, entry.name);  // soon made again, if ever needed
    } else {
      present.insert(entry.name);
    }
  }
  std::int64_t lost = 0;
  store.database().run_blocking([&](Tables& tables) {
    lost = 0;
    for (const LayerRow& row : tables.layers()) {
      if (!row.has_snapshot) continue;
      if (present.erase(store.snapshot_path(row.id).filename()) == 0) {
        tables.set_layer_snapshot(row.id, false, 0);
        ++lost;
      }
    }
    tables.drop_useless();
  });
  for (const std::string& orphan : present)
    discard(store.root(), snapshots / orphan, orphan);
  if (!present.empty()) {
    notes.push_back(fmt::format("removed {} unfinished snapshot(s)", present.size()));
  }
  if (lost > 0) notes.push_back(fmt::format("the directories of {} snapshot(s) are missing", lost));
}

Digest hash_file(Store& store, const Digest& name) {
  struct Nowhere final : Sink {
    void write(Bytes) override {}
  } nowhere;
  HashingSink hashing(nowhere);
  const auto source = store.blobs().open(name);
  copy(*source, hashing);
  return hashing.digest();
}

/// Blobs written after the last sync may be empty or have holes.
void check_recent_blobs(Store& store, std::int64_t synced_ns, std::vector<std::string>& notes) {
  // The clock that dates files is coarser than the one that wrote the mark.
  constexpr std::int64_t kSlack = 2'000'000'000;
  const fs::path directory = store.root() / "blobs" / "sha256";
  std::int64_t dropped = 0;
  for (const os::DirEntry& entry : os::Dir::open(directory).entries()) {
    struct stat status{};
    if (::lstat((directory / entry.name).c_str(), &status) != 0) continue;
    const std::int64_t changed =
        std::int64_t{status.st_ctim.tv_sec} * 1'000'000'000 + status.st_ctim.tv_nsec;
    if (status.st_size > 0 && changed + kSlack < synced_ns) continue;
    const std::string text = "sha256:" + entry.name;
    try {
      const Digest digest = Digest::parse(text);
      if (hash_file(store, digest) == digest) continue;
    } catch (const Error& error) {
      if (error.code() != Errc::invalid_input) throw;  // not a digest: not one of ours
    }
    discard(store.root(), directory / entry.name, entry.name);
    ++dropped;
  }
  if (dropped > 0) {
    notes.push_back(
        fmt::format("the machine stopped: dropped {} blob(s) that it had not written "
                    "out",
                    dropped));
  }
}

void check_blob_sizes(Store& store, std::vector<std::string>& notes) {
  std::int64_t dropped = 0;
  for (const LayerRow& row :
       store.database().run_blocking([](Tables& tables) { return tables.layers(); })) {
    if (!row.blob) continue;
    const auto size = store.blobs().size(*row.blob);
    if (!size || *size == row.blob_bytes) continue;
    store.blobs().remove(*row.blob);
    ++dropped;
  }
  if (dropped > 0) {
    notes.push_back(fmt::format("dropped {} layer blob(s) of a wrong size", dropped));
  }
}

/// Layers whose blobs can be made or fetched again.
std::set<Digest> restorable_blobs(Store& store) {
  std::set<Digest> blobs;
  for (const LayerRow& row :
       store.database().run_blocking([](Tables& tables) { return tables.layers(); })) {
    if (row.blob && (row.has_snapshot || !row.origin.empty())) blobs.insert(*row.blob);
  }
  return blobs;
}

}  // namespace

bool is_whole(const BlobStore& blobs,
              const std::set<Digest>& restorable,
              const Digest& digest,
              std::string_view media_type) {
  try {
    const std::string text = blobs.read(digest, oci::kMaxDocumentBytes);
    if (oci::is_index(media_type)) {
      const oci::Index index = oci::parse_index(text);
      return std::ranges::all_of(index.manifests, [&](const oci::Descriptor& item) {
        return !oci::is_manifest(item.media_type) || !blobs.has(item.digest) ||
               is_whole(blobs, restorable, item.digest, item.media_type);
      });
    }
    const oci::Manifest manifest = oci::parse_manifest(text);
    static_cast<void>(blobs.read(manifest.config.digest, oci::kMaxDocumentBytes));
    return std::ranges::all_of(manifest.layers, [&](const oci::Descriptor& layer) {
      return blobs.has(layer.digest, layer.size_bytes) || restorable.contains(layer.digest);
    });
  } catch (const Error& error) {
    if (error.code() == Errc::not_found || error.code() == Errc::corrupt) return false;
    throw;
  }
}

namespace {

void drop_broken_images(Store& store, std::vector<std::string>& notes) {
  const std::set<Digest> restorable = restorable_blobs(store);
  for (const ImageRow& row :
       store.database().run_blocking([](Tables& tables) { return tables.images(); })) {
    if (is_whole(store.blobs(), restorable, row.manifest, row.media_type)) continue;
    store.database().run_blocking([&](Tables& tables) { tables.remove_image(row.reference); });
    notes.push_back(fmt::format("dropped the image {}: parts of {} are damaged or gone",
                                row.reference, row.manifest.str()));
  }
}

struct LastRun {
  bool clean = false;
  bool same_boot = false;
  std::int64_t synced_ns = 0;
};

/// How the last owner ended; from here on this one runs.
LastRun begin_run(Tables& tables, const std::string& boot) {
  const auto last_boot = tables.meta("boot_id").value_or("");
  const LastRun last{tables.meta("clean") == "1", last_boot.empty() || last_boot == boot,
                     std::stoll(tables.meta("synced_ns").value_or("0"))};
  tables.set_meta("clean", "0");
  return last;
}

void mend_after_power_cut(Store& store, const LastRun& last, std::vector<std::string>& notes) {
  if (!last.clean) {
    const auto dropped =
        store.database().run_blocking([](Tables& tables) { return tables.drop_unsynced(); });
    if (dropped.layers + dropped.snapshots + dropped.records + dropped.images +
            dropped.resolutions >
        0) {
      notes.push_back(fmt::format(
          "the machine stopped before everything was on the disk: dropped {} layer(s), {} "
          "snapshot(s), {} cache record(s), {} image(s), {} resolution(s)",
          dropped.layers, dropped.snapshots, dropped.records, dropped.images, dropped.resolutions));
    }
  }
  // Even a clean mark may be older than the last files: the row that withdrew it can be lost.
  check_recent_blobs(store, last.synced_ns, notes);
  check_blob_sizes(store, notes);
}

}  // namespace

Database open_sound_database(const fs::path& root, std::vector<std::string>& notes) {
  const fs::path file = root / "kiln.db";
  std::string why;
  try {
    return Database(file);
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt) throw;
    why = error.what();
  }
  notes.push_back(
      fmt::format("{}; put aside as {}, a new one is begun: images and cache records are lost, "
                  "blobs are kept",
                  why, put_aside(root)));
  return Database(file);
}

void repair(Store& store, std::vector<std::string>& notes) {
  const std::string boot = boot_id();
  const LastRun last =
      store.database().run_blocking([&](Tables& tables) { return begin_run(tables, boot); });
  if (!last.same_boot) mend_after_power_cut(store, last, notes);
  drop_snapshots_without_layers(store, notes);
  drop_broken_images(store, notes);
  // The boot is noted last: a repair that is itself interrupted begins again.
  store.database().run_blocking([&](Tables& tables) {
    tables.set_meta("boot_id", boot);
    tables.end_running_builds("the daemon stopped while the build ran");
  });
  empty_temp(store.root() / "tmp", notes);
}

}  // namespace kiln::store
