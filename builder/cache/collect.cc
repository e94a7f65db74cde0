#include "builder/cache/collect.h"

#include <algorithm>
#include <set>

#include "builder/os/task_group.h"
#include "proto/error.h"

namespace kiln::cache {

namespace asio = boost::asio;

namespace {

/// A document of more is split: a registry takes 4 MiB, a reader no more.
constexpr std::size_t kDocumentBytes = 1024 * 1024;

const BaseLayer* base_of(const store::LayerRow& row, const BaseLayers& bases) {
  if (!row.diff_id) return nullptr;
  const auto found = bases.find(*row.diff_id);
  return found == bases.end() ? nullptr : &found->second;
}

CachedLayer to_layer(const store::LayerRow& row, const BaseLayers& bases) {
  if (const BaseLayer* base = base_of(row, bases))
    return {*row.diff_id, base->blob, base->blob_bytes, base->media_type, 0, true};
  check(row.diff_id && row.blob, "a layer that is told about has a blob");
  return {*row.diff_id, *row.blob, row.blob_bytes, row.media_type, row.created_ns, false};
}

/// The content key with layers by their place in the record; without it when one is not there.
void tell_content(const store::RecordRow& row, CachedRecord& record) {
  const std::optional<solver::ContentKey> key = solver::ContentKey::parse(row.content_key);
  if (!key) return;
  std::vector<solver::WholeInput<std::size_t>> whole;
  for (const auto& [input, layers] : key->whole) {
    auto& told = whole.emplace_back();
    told.input = input;
    for (const store::LayerId layer : layers) {
      const auto place = std::ranges::find(row.layers, layer);
      if (place == row.layers.end()) return;
      told.layers.push_back(static_cast<std::size_t>(place - row.layers.begin()));
    }
  }
  record.content = key->own;
  record.whole = std::move(whole);
}

std::size_t guess_bytes(const CachedRecord& record) {
  return 500 + 2 * (record.name.size() + record.parts.size()) + 6 * record.layers.size();
}

}  // namespace

asio::awaitable<Collection> collect(std::vector<std::string> keys, store::Database& database) {
  auto read = [&keys](store::Tables& tables) {
    Collection collection;
    std::set<std::string> seen;
    for (const std::string& key : keys) {
      if (!seen.insert(key).second) continue;
      std::optional<store::RecordRow> record = tables.record(key);
      if (!record) continue;
      bool whole = true;
      for (const store::LayerId layer : record->layers) {
        if (collection.layers.contains(layer)) continue;
        std::optional<store::LayerRow> row = tables.layer(layer);
        whole = whole && row;
        if (row) collection.layers.emplace(layer, std::move(*row));
      }
      if (whole) collection.records.push_back(std::move(*record));
    }
    return collection;
  };
  co_return co_await database.run(read);
}

asio::awaitable<void> complete(Collection& collection,
                               const BaseLayers& bases,
                               ops::Layers& layers,
                               registry::CredentialsProvider credentials,
                               solver::Listener listener,
                               store::Database& database) {
  solver::Stack lacking;
  for (const auto& [id, row] : collection.layers) {
    if (!row.blob && !base_of(row, bases)) lacking.push_back(id);
  }
  if (lacking.empty()) co_return;
  for (store::LayerRow& row :
       co_await layers.with_blobs(std::move(lacking), std::move(credentials), std::move(listener)))
    collection.layers.insert_or_assign(row.id, row);
  // What was made once for several is in their rows, too.
  auto read = [&](store::Tables& tables) {
    for (auto& [id, row] : collection.layers) {
      if (std::optional<store::LayerRow> now = tables.layer(id)) row = std::move(*now);
    }
  };
  co_await database.run(read);
}

std::vector<Document> to_documents(const Collection& collection,
                                   const BaseLayers& bases,
                                   Telling telling) {
  std::vector<Document> documents;
  DocumentBuilder builder;
  std::size_t bytes = 0;
  for (const store::RecordRow& row : collection.records) {
    CachedRecord record{Digest::parse(row.key), row.name, {},           row.created_ns,
                        telling.exported_s,     {},       std::nullopt, {}};
    if (telling.with_parts && row.parts.size() <= kMaxPartsBytes) record.parts = row.parts;
    tell_content(row, record);
    for (const store::LayerId layer : row.layers)
      record.layers.push_back(builder.place_of(to_layer(collection.layers.at(layer), bases)));
    bytes += guess_bytes(record);
    builder.add(std::move(record));
    if (bytes < kDocumentBytes) continue;
    documents.push_back(std::exchange(builder, {}).take());
    bytes = 0;
  }
  if (!builder.empty()) documents.push_back(builder.take());
  return documents;
}

std::vector<store::LayerRow> own_layers(const Collection& collection, const BaseLayers& bases) {
  std::vector<store::LayerRow> rows;
  std::set<Digest> seen;
  for (const auto& [id, row] : collection.layers) {
    if (!base_of(row, bases) && row.blob && seen.insert(*row.blob).second) rows.push_back(row);
  }
  return rows;
}

}  // namespace kiln::cache
