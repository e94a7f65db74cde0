// Events as a live display: what has ended scrolls away upwards and stays, below it a region with
// the running steps, their transfers and last lines is redrawn in place.
//
//   => CACHED [1/3] FROM alpine:3.20                                      0.0s
//   => [2/3] RUN make                                                     1.2s
//   => => cc -c main.c
//   [+] Building 1.3s (1 done, 1 cached, 1 running)
//
// Between two drawings the cursor is visible and on the line below the region, so a client that
// dies at any moment leaves a usable terminal. Pure.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "cli/progress_state.h"

namespace kiln::cli {

struct TerminalSize {
  std::size_t columns = 80;
  std::size_t rows = 24;
};

class TtyRenderer {
 public:
  /// `explain`: says why each step was not cached.
  TtyRenderer(std::string title, bool colour, bool explain = false)
      : title_(std::move(title)), colour_(colour), explain_(explain) {}

  /// Takes an event in; `now` counts from when the operation began.
  void apply(const BuildEvent& event, std::chrono::milliseconds now);

  /// What to write to bring a terminal of this size up to date.
  std::string draw(TerminalSize size, std::chrono::milliseconds now);

 private:
  struct Row {
    std::string text;         ///< clipped to the terminal, unless whole
    std::string right;        ///< at the right edge
    const char* colour = "";  ///< an SGR sequence
    bool whole = false;       ///< may be wider than the terminal: it wraps
  };

  void take(const BuildStarted& event, std::chrono::milliseconds now);
  void take(const StepPhase& event, std::chrono::milliseconds now);
  void take(const StepExplained& event, std::chrono::milliseconds now);
  void take(const StepStarted& event, std::chrono::milliseconds now);
  void take(const StepProgress& event, std::chrono::milliseconds now);
  void take(const StepLog& event, std::chrono::milliseconds now);
  void take(const StepEnded& event, std::chrono::milliseconds now);
  void take(const Warning& event, std::chrono::milliseconds now);
  void take(const CredentialsNeeded& event, std::chrono::milliseconds now);
  void take(const Finished& event, std::chrono::milliseconds now);
  void take(const Failed& event, std::chrono::milliseconds now);

  [[nodiscard]] std::vector<Row> region(std::size_t height, std::chrono::milliseconds now) const;
  [[nodiscard]] std::string status(std::chrono::milliseconds now) const;
  [[nodiscard]] std::string format(const Row& row, std::size_t columns) const;
  void scroll_warnings();
  void scroll_lines(const std::string& text, const char* colour);

  std::string title_;
  bool colour_;
  bool explain_;
  std::map<int, std::vector<std::string>> reasons_;  ///< of steps that have not ended
  ProgressState state_;
  std::vector<Warning> warnings_;  ///< about the Dockerfile: shown at the end
  std::vector<Row> scrolled_;      ///< to be written above the region
  std::size_t region_height_ = 0;  ///< rows now on the terminal that are redrawn
  bool over_ = false;              ///< Finished or Failed came: there is no region any more
};

}  // namespace kiln::cli
