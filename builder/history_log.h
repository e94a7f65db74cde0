// Reading what BuildLog wrote. Pure, but for the file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "proto/build_history.h"

namespace kiln {

/// The whole lines of a log from `offset`, at least one if there is one, else about `limit_bytes`.
/// What a power cut left of a line ends the log. "" when there is no log. Blocks.
[[nodiscard]] std::string read_log_lines(const std::filesystem::path& file,
                                         std::uint64_t offset,
                                         std::size_t limit_bytes);

/// Steps and phases of a log, read line by line: memory does not grow with what steps said. Steps
/// that have not ended have `unfinished` as their outcome. Blocks.
[[nodiscard]] BuildDetail read_detail(const std::filesystem::path& file,
                                      const std::string& unfinished);

}  // namespace kiln
