#include "builder/solver/lookup.h"

namespace kiln::solver {

SharedOutcome find_usable(store::Tables& tables,
                          std::string_view key,
                          const Executor& executor,
                          store::LeaseTable& leases) {
  const std::optional<store::RecordRow> record = tables.record(key);
  if (!record) return nullptr;
  std::vector<store::LayerRow> layers;
  for (const store::LayerId id : record->layers) {
    std::optional<store::LayerRow> layer = tables.layer(id);
    if (!layer) break;
    layers.push_back(std::move(*layer));
  }
  if (layers.size() != record->layers.size() || !executor.usable(layers)) {
    tables.remove_record(key);
    return nullptr;
  }
  return std::make_shared<const Outcome>(record->layers, leases);
}

}  // namespace kiln::solver
