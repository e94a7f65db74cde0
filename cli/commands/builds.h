// What commands about builds share.
#pragma once

#include <string>

#include "cli/client.h"
#include "proto/build_history.h"

namespace kiln::cli {

/// "" is the newest build. Throws Error{not_found}.
[[nodiscard]] BuildDetail fetch_build(Client& client, const std::string& id);

}  // namespace kiln::cli
