// Finding a record that can still be used.
#pragma once

#include <string_view>

#include "builder/solver/executions.h"
#include "builder/solver/executor.h"
#include "builder/solver/remote_records.h"
#include "builder/store/database.h"

namespace kiln::solver {

/// The record of `key` with its layers leased, or nullptr when there is none or a layer of it is
/// gone: a damaged record is a miss, and is removed.
[[nodiscard]] SharedOutcome find_usable(store::Tables& tables,
                                        std::string_view key,
                                        const Executor& executor,
                                        store::LeaseTable& leases);

/// The same by a content key.
[[nodiscard]] SharedOutcome find_usable_content(store::Tables& tables,
                                                std::string_view content_key,
                                                const Executor& executor,
                                                store::LeaseTable& leases);

/// Makes a remote record one of this store, its layers leased; nullptr when a layer of it can't be
/// had.
[[nodiscard]] SharedOutcome adopt(store::Tables& tables,
                                  const RemoteRecord& record,
                                  const Executor& executor,
                                  store::LeaseTable& leases);

}  // namespace kiln::solver
