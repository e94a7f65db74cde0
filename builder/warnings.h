// Warnings about the Dockerfile on their way to the client: each once, whatever number of platforms
// it concerns, as an event and in the result's metadata.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "builder/dockerfile/document.h"
#include "proto/messages.h"

namespace kiln {

class Warnings {
 public:
  /// Tells those that were not told before.
  void tell(const dockerfile::Document& document,
            const std::vector<dockerfile::Diagnostic>& warnings,
            const EventSink& events);

  /// What was told, as JSON; "" when nothing was. source: buildx's metadata
  /// "buildx.build.warnings", which CI annotates sources with
  [[nodiscard]] std::string metadata() const;

 private:
  std::vector<Warning> told_;
  std::set<std::string> texts_;  ///< of those
};

}  // namespace kiln
