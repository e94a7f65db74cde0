#include "builder/solver/lookup.h"

namespace kiln::solver {

namespace {

SharedOutcome use(const std::optional<store::RecordRow>& record,
                  store::Tables& tables,
                  const Executor& executor,
                  store::LeaseTable& leases) {
  if (!record) return nullptr;
  std::vector<store::LayerRow> layers;
  for (const store::LayerId id : record->layers) {
    std::optional<store::LayerRow> layer = tables.layer(id);
    if (!layer) break;
    layers.push_back(std::move(*layer));
  }
  if (layers.size() != record->layers.size() || !executor.usable(layers)) {
    tables.remove_record(record->key);
    return nullptr;
  }
  return std::make_shared<const Outcome>(record->layers, leases);
}

}  // namespace

SharedOutcome find_usable(store::Tables& tables,
                          std::string_view key,
                          const Executor& executor,
                          store::LeaseTable& leases) {
  return use(tables.record(key), tables, executor, leases);
}

SharedOutcome find_usable_content(store::Tables& tables,
                                  std::string_view content_key,
                                  const Executor& executor,
                                  store::LeaseTable& leases) {
  return use(tables.record_by_content(content_key), tables, executor, leases);
}

}  // namespace kiln::solver
