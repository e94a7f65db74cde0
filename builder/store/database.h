// The metadata: one SQLite file, used by one thread of its own.
//
// Tables is the typed surface: every statement of the program is behind one of its functions. Work
// is handed to the thread with Database::run and is one transaction: all of it happens, or nothing.
// The schema is schema.sql, with its version and how older versions are brought to it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstdint>
#include <filesystem>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "builder/os/offload.h"
#include "proto/digest.h"
#include "proto/error.h"

namespace kiln::store {

/// What to do when the store's disk is full (Error::name_full_disk).
inline constexpr std::string_view kFreeSpace = "free some, or run `kiln prune`";

/// A layer's number in this store. 0 is none.
enum class LayerId : std::int64_t {};

/// A layer: an unpacked snapshot, a blob, or both; either can be made from the other.
struct LayerRow {
  LayerId id{};
  std::optional<DiffId> diff_id;  ///< known once the tar was made or read
  std::optional<Digest> blob;     ///< compressed tar; may exist only in the registry of `origin`
  std::string media_type;         ///< of the blob
  std::uint64_t blob_bytes = 0;
  bool has_snapshot = false;  ///< ROOT/snapshots/ID is whole
  std::uint64_t snapshot_bytes = 0;
  std::string origin;  ///< registry/repository that has the blob, "" when made here
  std::int64_t created_ns = 0;
  /// The snapshot holds what differs from this layer's, which is whole and mounted below it.
  LayerId delta_of{};
  /// An earlier result of the same instruction: most of the blob's blocks may be in its blob.
  LayerId predecessor{};
};

/// What a copy of many files gave last, for the next run of the same instruction.
struct CopyRow {
  LayerId whole{};    ///< with a snapshot of its own
  std::string files;  ///< what is in it (ops/copied_files.h)
  LayerId newest{};   ///< the last result; may be gone
};

/// A cache entry: what executing the vertex of this key gave.
struct RecordRow {
  std::string key;              ///< sha256:...
  std::vector<LayerId> layers;  ///< the whole root file system, bottom first
  std::string name;             ///< of the step, for people
  std::string parts;            ///< the key's parts as JSON, for --explain
  std::int64_t created_ns = 0;
  std::int64_t last_used_ns = 0;
  std::string content_key{};              ///< the same step on inputs of that content; "" has none
  std::vector<std::string> file_lists{};  ///< what it was made of (file_lists.h)
};

/// Begins the reference of an image that was given no name: "@sha256:...". Pruning removes it.
inline constexpr char kUnnamed = '@';

struct ImageRow {
  std::string reference;  ///< complete: docker.io/library/app:1; or kUnnamed and the digest
  Digest manifest;        ///< or index
  std::string media_type;
  std::uint64_t size_bytes = 0;  ///< of the manifest itself
  std::int64_t created_ns = 0;   ///< when it got this name
};

/// What a reference pointed to when a registry was last asked.
struct ResolutionRow {
  std::string reference;
  std::string platform;
  Digest manifest;  ///< of the platform's image; its blob is in the blob store
  std::int64_t resolved_ns = 0;
};

/// Identifies one version of a file's content without reading it.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size_bytes = 0;
  std::int64_t mtime_ns = 0;
  std::int64_t ctime_ns = 0;
  std::uint32_t mode = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};
struct FileDigestRow {
  FileIdentity file;
  Digest digest;
};

struct BuildRow {
  std::string id;
  std::string status;   ///< running, done, failed, cancelled, interrupted
  std::string summary;  ///< of the context, for people
  std::string image_digest;
  std::string error;
  std::int64_t started_ns = 0;
  std::int64_t finished_ns = 0;  ///< 0 while it runs, and when nobody knows
  std::string target{};
  std::string names{};  ///< that the image was to get, separated by spaces
  std::int64_t steps = 0;
  std::int64_t cached_steps = 0;
};

struct Connection;

/// The statements, prepared once. Only on the database's thread.
class Tables {
 public:
  explicit Tables(const std::filesystem::path& file);
  ~Tables();
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  LayerId add_layer(const LayerRow& row);
  std::optional<LayerRow> layer(LayerId id);
  std::vector<LayerRow> layers();
  std::optional<LayerRow> layer_by_diff_id(const DiffId& diff_id);
  void set_layer_blob(LayerId id,
                      const DiffId& diff_id,
                      const Digest& blob,
                      std::string_view media_type,
                      std::uint64_t blob_bytes);
  /// `delta_of`: as LayerRow has it.
  void set_layer_snapshot(LayerId id,
                          bool has_snapshot,
                          std::uint64_t snapshot_bytes,
                          LayerId delta_of = {});
  void remove_layer(LayerId id);

  /// Directories that the layer's tar has no entry for (layer::Applied::implied), sorted; those
  /// that were noted before are replaced.
  void set_implied_directories(LayerId id, const std::vector<std::string>& paths);
  std::vector<std::string> implied_directories(LayerId id);
  bool has_implied_directories(LayerId id);

  /// Where the blocks of the layer's blob lie in it (layer/block_table.h); "": not known.
  void set_layer_blocks(LayerId id, const std::string& table);
  std::string layer_blocks(LayerId id);

  /// By the instruction and what it was run on (ops/copied_files.h). A row goes with its `whole`.
  std::optional<CopyRow> copy(const std::string& instruction);
  void put_copy(const std::string& instruction, const CopyRow& row);
  void set_newest_copy(const std::string& instruction, LayerId newest);
  void remove_copy(const std::string& instruction);

  std::optional<RecordRow> record(std::string_view key);
  /// The newest record of a content key, which is not "".
  std::optional<RecordRow> record_by_content(std::string_view content_key);
  /// At most `limit` records of steps named "[...] TITLE", or just so, newest first, without their
  /// layers; then as many whose names begin with `prefix`, which is not "".
  std::vector<RecordRow> records_named(std::string_view title, std::string_view prefix, int limit);
  void put_record(const RecordRow& row);
  void touch_record(std::string_view key, std::int64_t now_ns);
  void remove_record(std::string_view key);
  std::vector<RecordRow> records();
  /// Whether any record was made of that file list.
  bool is_file_list_used(std::string_view list);

  std::optional<ImageRow> image(std::string_view reference);
  std::vector<ImageRow> images();
  /// A name that is put on the same manifest again needs no new sync.
  void put_image(const ImageRow& row);
  bool remove_image(std::string_view reference);

  std::optional<ResolutionRow> resolution(std::string_view reference, std::string_view platform);
  void put_resolution(const ResolutionRow& row);
  std::vector<ResolutionRow> resolutions();
  void remove_resolution(std::string_view reference, std::string_view platform);

  /// The digests of those files that are known in exactly this version; same order, nullopt for
  /// others.
  std::vector<std::optional<Digest>> file_digests(const std::vector<FileIdentity>& files);
  void put_file_digests(const std::vector<FileDigestRow>& rows);
  std::uint64_t count_file_digests();

  void put_build(const BuildRow& row);
  /// Newest first.
  std::vector<BuildRow> builds();
  /// At most two whose id begins so; of "" and "latest" the newest.
  std::vector<BuildRow> builds_like(std::string_view id);
  /// False when there is none, or it runs.
  bool remove_build(std::string_view id);
  /// Those that run.
  std::vector<std::string> running_builds();

  /// Bytes of all snapshots.
  std::uint64_t sum_snapshot_bytes();

  /// When, since the database was opened, rows were found by layer_by_diff_id() or resolution(), or
  /// noted by mark_found(): whoever found one may be about to use it. layer(), record() and
  /// record_by_content() are for those who lease what they find in the same transaction, or hold a
  /// lease already.
  struct Found {
    std::map<LayerId, std::int64_t> layers_ns;
    std::map<std::pair<std::string, std::string>, std::int64_t> resolutions_ns;
  };
  [[nodiscard]] const Found& found() const noexcept;
  void mark_found(const std::vector<LayerId>& layers);

  std::optional<std::string> meta(std::string_view name);
  void set_meta(std::string_view name, std::string_view value);

  /// The rows written from here on belong to a new generation; returns the one before. What a row
  /// of that one names is on the disk as soon as everything written before this call is.
  std::int64_t advance_generation();
  /// Everything up to the last advanced `generation` is on the disk.
  void set_synced(std::int64_t generation, std::int64_t now_ns);

  /// True when layers, records, images or resolutions were written that no sync has covered.
  [[nodiscard]] bool has_unsynced() const noexcept;

  /// What a power cut may have made untrue.
  struct Dropped {
    std::int64_t layers = 0;
    std::int64_t snapshots = 0;
    std::int64_t records = 0;
    std::int64_t images = 0;
    std::int64_t resolutions = 0;
  };
  /// Drops the rows of generations that were never synced.
  Dropped drop_unsynced();
  /// Drops layers of which there is nothing, neither snapshot nor blob, and records that name a
  /// layer that is gone.
  void drop_useless();
  /// Builds that are said to run have ended with the process that ran them.
  void end_running_builds(std::string_view error);
  void clear_file_digests();

  void release_memory();

  void begin();
  /// Rolls back when it fails.
  void commit();
  void rollback() noexcept;

 private:
  std::unique_ptr<Connection> connection_;
};

class Database {
 public:
  /// Opens the file on the database's own thread. Throws Error{corrupt} when it is not a sound
  /// database.
  explicit Database(const std::filesystem::path& file);
  /// Waits for the work that was handed over.
  ~Database();

  /// Runs `work(Tables&)` on the database's thread in one transaction; rolled back when it throws.
  template <class Work>
  boost::asio::awaitable<std::invoke_result_t<Work&, Tables&>> run(Work work) {
    auto in_transaction = [this, &work]() -> std::invoke_result_t<Work&, Tables&> {
      return transact(work);
    };
    co_return co_await os::offload(thread_, in_transaction);
  }

  /// Gives the pages that SQLite keeps in memory back; they are read again when they are needed.
  boost::asio::awaitable<void> release_memory();

  /// The same from a thread that may block (never the event loop).
  template <class Work>
  std::invoke_result_t<Work&, Tables&> run_blocking(Work work);

 private:
  template <class Work>
  std::invoke_result_t<Work&, Tables&> transact(Work& work) {
    try {
      return transact_once(work);
    } catch (Error& error) {
      error.name_full_disk(file_.native(), kFreeSpace);
      throw;
    }
  }

  struct Rollback {
    Tables* tables;
    ~Rollback() {
      if (tables) tables->rollback();
    }
  };

  template <class Work>
  std::invoke_result_t<Work&, Tables&> transact_once(Work& work) {
    tables_->begin();
    Rollback rollback{tables_.get()};
    if constexpr (std::is_void_v<std::invoke_result_t<Work&, Tables&>>) {
      work(*tables_);
      rollback.tables = nullptr;
      tables_->commit();
    } else {
      auto result = work(*tables_);
      rollback.tables = nullptr;
      tables_->commit();
      return result;
    }
  }

  template <class Work>
  std::invoke_result_t<Work&> on_thread(Work work);

  std::filesystem::path file_;
  boost::asio::thread_pool thread_{1};
  std::unique_ptr<Tables> tables_;
};

template <class Work>
std::invoke_result_t<Work&, Tables&> Database::run_blocking(Work work) {
  return on_thread([this, &work] { return transact(work); });
}

template <class Work>
std::invoke_result_t<Work&> Database::on_thread(Work work) {
  // Shared: the thread may still be leaving the task when its result has woken the caller. In a
  // lambda: Asio takes a bare packaged_task for a completion token and asks for its future itself.
  const auto task =
      std::make_shared<std::packaged_task<std::invoke_result_t<Work&>()>>(std::move(work));
  auto result = task->get_future();
  boost::asio::post(thread_, [task] { (*task)(); });
  return result.get();
}

}  // namespace kiln::store
