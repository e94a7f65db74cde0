#include "builder/ops/kept_source.h"

#include <nlohmann/json.hpp>

#include "builder/os/file.h"
#include "builder/solver/cache_key.h"

namespace kiln::ops {

namespace asio = boost::asio;

namespace {

/// As solver::parts_to_json writes them; what is not of that form has no notes.
std::map<std::string, std::string> parse_notes(const std::string& parts) {
  std::map<std::string, std::string> notes;
  const auto json = nlohmann::json::parse(parts, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array()) return notes;
  for (const auto& part : json) {
    if (part.is_array() && part.size() == 2 && part[0].is_string() && part[1].is_string())
      notes.emplace(part[0].get<std::string>(), part[1].get<std::string>());
  }
  return notes;
}

bool is_whole(const store::RecordRow& record, store::Tables& tables, const Layers& layers) {
  for (const store::LayerId id : record.layers) {
    const std::optional<store::LayerRow> layer = tables.layer(id);
    if (!layer || !layers.available(*layer)) return false;
  }
  return true;
}

}  // namespace

std::string KeptSource::note(const std::string& name) const {
  const auto found = notes.find(name);
  return found == notes.end() ? std::string() : found->second;
}

asio::awaitable<std::optional<KeptSource>> find_kept(Digest key, Workshop& workshop) {
  auto find = [&](store::Tables& tables) -> std::optional<KeptSource> {
    const std::optional<store::RecordRow> record = tables.record(key.str());
    if (!record) return std::nullopt;
    if (!is_whole(*record, tables, workshop.layers)) {
      tables.remove_record(key.str());
      return std::nullopt;
    }
    tables.touch_record(key.str(), os::now_ns());
    tables.mark_found(record->layers);  // leased when the step ends
    return KeptSource{record->layers, parse_notes(record->parts)};
  };
  co_return co_await workshop.store.database().run(find);
}

asio::awaitable<void> keep(Digest key, std::string name, KeptSource source, Workshop& workshop) {
  std::vector<graph::KeyPart> parts;
  for (const auto& [note, value] : source.notes)
    parts.push_back({note, value});
  const std::int64_t now = os::now_ns();
  const store::RecordRow row{key.str(), source.stack, std::move(name), solver::parts_to_json(parts),
                             now,       now};
  auto put = [&row](store::Tables& tables) {
    tables.put_record(row);
    tables.mark_found(row.layers);  // leased when the step ends
  };
  co_await workshop.store.database().run(put);
}

}  // namespace kiln::ops
