#include "builder/solver/lookup.h"

#include "builder/os/file.h"

namespace kiln::solver {

namespace {

bool is_usable(const std::vector<store::LayerId>& stack,
               store::Tables& tables,
               const Executor& executor) {
  std::vector<store::LayerRow> layers;
  for (const store::LayerId id : stack) {
    std::optional<store::LayerRow> layer = tables.layer(id);
    if (!layer) return false;
    layers.push_back(std::move(*layer));
  }
  return executor.usable(layers);
}

Found use(const std::optional<store::RecordRow>& record,
          store::Tables& tables,
          const Executor& executor,
          store::LeaseTable& leases) {
  if (!record) return {};
  if (!is_usable(record->layers, tables, executor)) {
    tables.remove_record(record->key);
    return {nullptr, true};
  }
  return {std::make_shared<const Outcome>(record->layers, leases), false};
}

}  // namespace

Found find_usable(store::Tables& tables,
                  std::string_view key,
                  const Executor& executor,
                  store::LeaseTable& leases) {
  return use(tables.record(key), tables, executor, leases);
}

Found find_usable_content(store::Tables& tables,
                          std::string_view content_key,
                          const Executor& executor,
                          store::LeaseTable& leases) {
  return use(tables.record_by_content(content_key), tables, executor, leases);
}

SharedOutcome adopt(store::Tables& tables,
                    const RemoteRecord& record,
                    const Executor& executor,
                    store::LeaseTable& leases) {
  const std::int64_t now = os::now_ns();
  store::RecordRow row{record.key, {}, record.name, record.parts, record.created_ns, now, ""};
  for (const store::ForeignLayer& layer : record.layers)
    row.layers.push_back(store::find_or_add_layer(tables, layer));
  if (!is_usable(row.layers, tables, executor)) return nullptr;
  if (record.content) {
    ContentKey content{*record.content, {}};
    for (const auto& [input, places] : record.whole) {
      WholeInput<store::LayerId>& whole = content.whole.emplace_back();
      whole.input = input;
      for (const std::size_t place : places)
        whole.layers.push_back(row.layers.at(place));
    }
    row.content_key = content.str();
  }
  // Found by its content it may have a namesake here, which is as good.
  if (!tables.record(row.key)) tables.put_record(row);
  return std::make_shared<const Outcome>(row.layers, leases);
}

}  // namespace kiln::solver
