// The variables that FROM sees: predefined platform arguments and ARGs before the first FROM.
#pragma once

#include <optional>

#include "builder/dockerfile/ast.h"
#include "builder/dockerfile/environment.h"
#include "builder/dockerfile/lower.h"
#include "builder/dockerfile/outline.h"

namespace kiln::dockerfile {

/// `overrides` are the build arguments; `definitions`, where given, is told of every ARG. Throws
/// DockerfileError.
[[nodiscard]] Environment global_arguments(const Ast& ast,
                                           const LowerOptions& options,
                                           const std::map<std::string, std::string>& overrides,
                                           ArgumentUses* definitions = nullptr);

/// Seconds that SOURCE_DATE_EPOCH names, as a build argument or a global ARG. Throws
/// DockerfileError. source: reproducible-builds.org "SOURCE_DATE_EPOCH specification"
[[nodiscard]] std::optional<std::int64_t> source_date_epoch(const Ast& ast,
                                                            const LowerOptions& options,
                                                            const Environment& globals);

}  // namespace kiln::dockerfile
