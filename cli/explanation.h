// Why a step was not taken from the cache, in words. Pure.
#pragma once

#include <string>
#include <vector>

#include "proto/messages.h"

namespace kiln::cli {

/// One line a reason, without line ends, harmless for a terminal:
///
///   not cached: never built here
///   not cached: src/main.c: content changed
///   not cached: variable VERSION: "1" -> "2"
[[nodiscard]] std::vector<std::string> explain(const StepExplained& explained);

}  // namespace kiln::cli
