// HEALTHCHECK: its flags and its command.
#pragma once

#include "builder/dockerfile/commands.h"

namespace kiln::dockerfile {

/// Throws Mistake. source: docs.docker.com "Dockerfile reference: HEALTHCHECK"
[[nodiscard]] HealthcheckCommand parse_healthcheck(const RawInstruction& raw);

}  // namespace kiln::dockerfile
