// The files of a build: opened here with the user's own rights, passed to the daemon as
// descriptors.
#pragma once

#include <string>
#include <vector>

#include "cli/fd.h"
#include "cli/output_file.h"
#include "proto/messages.h"

namespace kiln::cli {

struct BuildFiles {
  std::vector<Fd> inputs;
  std::vector<OutputFile> outputs;
  std::vector<int> descriptors;  ///< of both, in the order of BuildRequest::descriptors
  bool stdout_taken = false;     ///< an output goes to stdout
};

/// Opens the context (a directory, "-" is stdin), the Dockerfile (`file`; "" is CONTEXT/Dockerfile,
/// "-" stdin; of a streamed context it is a path in it), its own .dockerignore, the directories of
/// request.named_contexts and the outputs, and fills in request.dockerfile_name and
/// request.descriptors. Nothing of the context is read. Throws UsageError, or Error naming the path
/// that cannot be opened.
[[nodiscard]] BuildFiles open_build_files(BuildRequest& request, const std::string& file);

/// The same for what is listed of a context: itself, and the ignore file of its Dockerfile, which
/// need not exist.
[[nodiscard]] BuildFiles open_listing_files(BuildRequest& request, const std::string& file);

}  // namespace kiln::cli
