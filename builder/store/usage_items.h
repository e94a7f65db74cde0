// Each thing that takes space, for `kiln df -v`. Internal to the accounts of disk usage.
#pragma once

#include <vector>

#include "builder/store/walked.h"
#include "proto/messages.h"

namespace kiln::store {

struct UsageFacts {
  const Inventory& inventory;
  const Walked& walked;
  const std::vector<BuildRow>& builds;
  const LeaseTable& leases;
};

/// Every byte of `walked` in one item. A layer counts with its snapshot and its blob, an image with
/// its documents; a record takes no space of its own. Blocks: reads what cache mounts are called.
[[nodiscard]] std::vector<DiskUsage::Item> list_items(const Store& store,
                                                      const UsageFacts& facts,
                                                      ImageNeeds& needs);

}  // namespace kiln::store
