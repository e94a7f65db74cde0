// All records that a build was given, by key and by content.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "builder/cache/place.h"
#include "builder/solver/remote_records.h"

namespace kiln::cache {

class Catalog {
 public:
  struct Entry {
    std::shared_ptr<Place> place;
    const Document* document = nullptr;
    const CachedRecord* record = nullptr;
  };

  /// What was added first is found first.
  void add(const std::shared_ptr<Place>& place, Document document);

  /// nullptr: there is none. Valid as long as the catalog.
  [[nodiscard]] const Entry* by_key(const std::string& key) const;
  [[nodiscard]] const Entry* by_content(const std::string& portable_key) const;
  [[nodiscard]] std::size_t count() const noexcept { return keys_.size(); }

 private:
  std::vector<std::unique_ptr<Document>> documents_;
  std::unordered_map<std::string, Entry> keys_;
  std::unordered_map<std::string, Entry> contents_;
};

/// A layer of a base image: where every machine gets it from.
struct BaseLayer {
  Digest blob;
  std::uint64_t blob_bytes = 0;
  std::string media_type;
  std::string origin;
};
using BaseLayers = std::map<DiffId, BaseLayer>;

/// The record as the solver wants it. A base image's layer is one of `bases`, of which nobody but
/// the image's registry is believed; one that is not has neither blob nor origin that can be
/// trusted, and is in `unknown`.
[[nodiscard]] solver::RemoteRecord to_remote(const Catalog::Entry& entry,
                                             const BaseLayers& bases,
                                             std::vector<DiffId>& unknown);

}  // namespace kiln::cache
