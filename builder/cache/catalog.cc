#include "builder/cache/catalog.h"

namespace kiln::cache {

namespace {

const Catalog::Entry* find(const std::unordered_map<std::string, Catalog::Entry>& entries,
                           const std::string& key) {
  const auto found = entries.find(key);
  return found == entries.end() ? nullptr : &found->second;
}

}  // namespace

void Catalog::add(const std::shared_ptr<Place>& place, Document document) {
  const Document& kept = *documents_.emplace_back(std::make_unique<Document>(std::move(document)));
  for (const CachedRecord& record : kept.records) {
    keys_.try_emplace(record.key.str(), Entry{place, &kept, &record});
    if (auto content = content_key_of(kept, record))
      contents_.try_emplace(std::move(*content), Entry{place, &kept, &record});
  }
}

const Catalog::Entry* Catalog::by_key(const std::string& key) const {
  return find(keys_, key);
}

const Catalog::Entry* Catalog::by_content(const std::string& portable_key) const {
  return find(contents_, portable_key);
}

solver::RemoteRecord to_remote(const Catalog::Entry& entry,
                               const BaseLayers& bases,
                               std::vector<DiffId>& unknown) {
  const CachedRecord& record = *entry.record;
  solver::RemoteRecord remote;
  remote.key = record.key.str();
  remote.name = record.name;
  remote.parts = record.parts.empty() ? "[]" : record.parts;
  remote.created_ns = record.created_ns;
  remote.content = record.content;
  remote.whole = record.whole;
  remote.from = entry.place->name();
  const std::string origin = entry.place->origin();
  for (const std::size_t place : record.layers) {
    const CachedLayer& layer = entry.document->layers.at(place);
    store::ForeignLayer foreign{layer.diff_id,    layer.blob, layer.blob_bytes,
                                layer.media_type, origin,     layer.created_ns};
    if (const auto base = bases.find(layer.diff_id); base != bases.end()) {
      foreign.blob = base->second.blob;
      foreign.blob_bytes = base->second.blob_bytes;
      foreign.media_type = base->second.media_type;
      foreign.origin = base->second.origin;
    } else if (layer.base) {
      unknown.push_back(layer.diff_id);
    }
    remote.layers.push_back(std::move(foreign));
  }
  return remote;
}

}  // namespace kiln::cache
