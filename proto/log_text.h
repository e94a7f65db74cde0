// A command's output as valid UTF-8 pieces, whatever the pieces were that it came in.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "proto/messages.h"

namespace kiln {

/// The length of `text` without a character that is begun at its end but not complete.
[[nodiscard]] std::size_t complete_utf8_size(std::string_view text);

/// Joins pieces of output: JSON can't carry half a character, so the beginning of one waits for its
/// rest. Bytes that are no UTF-8 at all pass (JSON writes U+FFFD).
class LogText {
 public:
  /// The text of `log` that can be sent now, maybe "".
  [[nodiscard]] std::string add(StepLog log);
  /// What still waits of a step that ended, or with no step of all; at most one a stream.
  [[nodiscard]] std::vector<StepLog> finish(std::optional<int> step);

 private:
  std::map<std::pair<int, int>, std::string> waiting_;  ///< (step, stream) → 1..3 bytes
};

}  // namespace kiln
