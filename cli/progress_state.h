// What is going on in a build, as far as its events told: the model behind the terminal display.
// All text in it is harmless for a terminal. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "cli/text.h"
#include "proto/messages.h"

namespace kiln::cli {

/// A part of a step that moves bytes.
struct TransferView {
  std::string item;
  std::uint64_t current_bytes = 0;
  std::uint64_t total_bytes = 0;  ///< 0 when not known
  [[nodiscard]] bool complete() const { return total_bytes > 0 && current_bytes >= total_bytes; }
};

/// A step that has started.
struct StepView {
  /// So many of a step's last lines are kept.
  static constexpr std::size_t kTailLines = 6;

  std::string name;
  std::chrono::milliseconds started{0};
  std::vector<TransferView> transfers;  ///< in the order in which they appeared
  std::deque<std::string> tail;         ///< its last whole lines
  LineBuffer streams[2];

  /// Its last lines, the unfinished one too, at most `count`.
  [[nodiscard]] std::vector<std::string> last_lines(std::size_t count) const;
};

/// A step that has ended.
struct EndedStep {
  std::string name;
  StepOutcome outcome = StepOutcome::done;
  std::chrono::milliseconds duration{0};
};

class ProgressState {
 public:
  void started(const StepStarted& event, std::chrono::milliseconds now);
  void progressed(const StepProgress& event);
  void logged(const StepLog& event);
  /// Takes the step out of running().
  EndedStep ended(const StepEnded& event);

  /// By step number.
  [[nodiscard]] const std::map<int, StepView>& running() const { return running_; }
  [[nodiscard]] int ended_count() const { return ended_count_; }
  [[nodiscard]] int cached_count() const { return cached_count_; }
  /// The name of a step that runs or ran; "" when it is not known.
  [[nodiscard]] std::string name_of(int step) const;

 private:
  std::map<int, StepView> running_;
  std::map<int, std::string> names_;
  int ended_count_ = 0;
  int cached_count_ = 0;
};

}  // namespace kiln::cli
