#include "builder/dockerfile/chmod.h"

#include <fmt/format.h>

#include "builder/dockerfile/mistake.h"

namespace kiln::dockerfile {

graph::ModeChange parse_chmod(std::string_view mode) {
  try {
    return graph::ModeChange::parse(mode);
  } catch (const Error&) {
    throw Mistake(fmt::format("invalid chmod parameter: '{}'", mode),
                  "it should be an octal string between 0 and 07777, or symbolic like "
                  "u=rwX,go=rX");
  }
}

}  // namespace kiln::dockerfile
