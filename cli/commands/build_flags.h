// The flags of `kiln build`, as typed.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/command_line.h"
#include "proto/messages.h"

namespace kiln::cli {

struct BuildFlags {
  std::vector<std::string> tags;
  std::string file;  ///< "" is CONTEXT/Dockerfile, "-" stdin
  std::vector<std::string> build_contexts;
  std::string target;
  std::vector<std::string> build_args;
  std::vector<std::string> labels;
  std::vector<std::string> platforms;
  bool push = false;
  std::vector<std::string> outputs;
  std::vector<std::string> no_cache;
  bool pull = false;
  std::string network;
  std::vector<std::string> add_hosts;
  std::vector<std::string> ulimits;
  std::string shm_size;
  std::vector<std::string> allow;
  std::vector<std::string> cache_from;
  std::vector<std::string> cache_to;
  std::vector<std::string> secrets;
  std::vector<std::string> ssh;
  std::string progress = "auto";
  bool quiet = false;
  bool explain = false;
  bool timings = false;
  std::string iidfile;
  std::string metadata_file;
  std::string call;  ///< METHOD[,format=json]
  bool check = false;
  std::string context;
};

/// --call, read: what to ask about the Dockerfile and how to show the answer.
struct Call {
  std::string method;  ///< "" builds; check, outline, targets
  bool json = false;
  bool ignore_status = false;  ///< exit with 0 whatever a check finds
};

/// Throws UsageError. source: docker buildx build --call
[[nodiscard]] Call parse_call(const BuildFlags& flags);

/// Declares them; `flags` outlives `line`.
void declare(CommandLine& line, BuildFlags& flags);

/// The value of an environment variable, nullopt when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

/// The request that the flags ask for, without descriptors. Pure.
/// Throws UsageError naming the flag and the value that is wrong.
[[nodiscard]] BuildRequest to_request(const BuildFlags& flags, const Environment& environment);

/// One value of -o: "type=oci,dest=out.tar" (CSV: a field may be quoted), "PATH" is a local
/// directory and "-" a tar on stdout. source: docker buildx build --output
[[nodiscard]] Output parse_output(const std::string& text);

/// One value of --cache-from or --cache-to: "type=registry,ref=NAME", and NAME alone is the same.
/// What the attributes may be is for the daemon to say. source: docker buildx build --cache-to
[[nodiscard]] CacheOption parse_cache(std::string_view flag, const std::string& text);

/// "64m", "1g", "65536", powers of 1024 as docker has them.
[[nodiscard]] std::int64_t parse_size(std::string_view flag, const std::string& text);

}  // namespace kiln::cli
