// What a cache says: records, in terms that all machines share.
//
// A document is the JSON object in the field "kiln.cache.v1" of an image configuration: of an image
// that was built (type=inline), or of a shard (shard.h). docs/remote-cache.md has the grammar.
// Documents come from strangers: parse_document believes nothing but the grammar.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "builder/solver/content_key.h"
#include "proto/digest.h"

namespace kiln::cache {

/// A layer that records consist of.
struct CachedLayer {
  DiffId diff_id;
  Digest blob;
  std::uint64_t blob_bytes = 0;
  std::string media_type;
  std::int64_t created_ns = 0;
  /// Of a base image: the cache's own repository need not have the blob, the image's does.
  bool base = false;
  friend bool operator==(const CachedLayer&, const CachedLayer&) = default;
};

struct CachedRecord {
  Digest key;
  std::string name;                 ///< of the step, for people
  std::string parts;                ///< of the key as JSON, for --explain; may be ""
  std::int64_t created_ns = 0;      ///< when the step ran
  std::int64_t exported_s = 0;      ///< when it was said last that it is in use; 0: never expires
  std::vector<std::size_t> layers;  ///< places in Document::layers, bottom first
  std::optional<Digest> content;    ///< own part of the content key
  std::vector<solver::WholeInput<std::size_t>> whole;  ///< its whole inputs: places in `layers`
  friend bool operator==(const CachedRecord&, const CachedRecord&) = default;
};

struct Document {
  std::vector<CachedLayer> layers;
  std::vector<CachedRecord> records;
  std::vector<Digest> replaces;  ///< manifests of shards whose records this one has
};

/// Puts a document together: each layer and each key once.
class DocumentBuilder {
 public:
  /// The place of a layer, added when it is not there yet.
  std::size_t place_of(const CachedLayer& layer);
  /// Adds a record whose layers have places here, unless there is one of its key.
  void add(CachedRecord record);
  /// The same of another document's record.
  void add_from(const Document& from, CachedRecord record);
  [[nodiscard]] bool empty() const noexcept { return document_.records.empty(); }
  [[nodiscard]] Document take() { return std::move(document_); }

 private:
  Document document_;
  std::map<std::pair<DiffId, Digest>, std::size_t> places_;
  std::set<Digest> keys_;
};

/// The largest value of CachedRecord::parts that is written or read.
inline constexpr std::size_t kMaxPartsBytes = 16 * 1024;

/// Canonical: equal documents give equal bytes.
[[nodiscard]] std::string to_json(const Document& document);

/// Throws Error{corrupt} naming the field.
[[nodiscard]] Document parse_document(std::string_view json);

/// The content key of a record as all machines have it; nullopt when it has none.
[[nodiscard]] std::optional<std::string> content_key_of(const Document& document,
                                                        const CachedRecord& record);

}  // namespace kiln::cache
