// Finding a record that can still be used.
#pragma once

#include <string_view>

#include "builder/solver/executions.h"
#include "builder/solver/executor.h"
#include "builder/solver/remote_records.h"
#include "builder/store/database.h"

namespace kiln::solver {

/// What a record gives.
struct Found {
  SharedOutcome outcome;  ///< with its layers leased; nullptr when there is no usable record
  bool gone = false;      ///< there was one, of layers that are gone
};

/// The record of `key`. One of which a layer is gone is a miss, and is removed.
[[nodiscard]] Found find_usable(store::Tables& tables,
                                std::string_view key,
                                const Executor& executor,
                                store::LeaseTable& leases);

/// The same by a content key.
[[nodiscard]] Found find_usable_content(store::Tables& tables,
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
