// Events as lines that only ever grow, for logs and for what reads them:
//
//   #3 [2/5] WORKDIR /app
//   #3 CACHED
//
//   #4 [3/5] RUN make
//   #4 0.123 cc -c main.c
//   #4 DONE 1.2s
//
// A step's output is never clipped. Pure.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "cli/text.h"
#include "proto/messages.h"

namespace kiln::cli {

class PlainRenderer {
 public:
  /// For a terminal, what steps and servers say is made harmless; a file gets it as it is.
  /// `explain`: says why each step was not cached.
  explicit PlainRenderer(bool for_terminal, bool explain = false)
      : for_terminal_(for_terminal), explain_(explain) {}

  /// What to write for this event; `now` counts from any fixed moment.
  std::string render(const BuildEvent& event, std::chrono::milliseconds now);

 private:
  struct Item {
    std::chrono::milliseconds shown{0};
    bool complete = false;
  };
  struct Step {
    std::string name;
    std::chrono::milliseconds started{0};
    LineBuffer streams[2];
    std::map<std::string, Item> items;
    bool has_log = false;
  };

  std::string show(const BuildStarted& event, std::chrono::milliseconds now);
  std::string show(const StepPhase& event, std::chrono::milliseconds now);
  std::string show(const StepExplained& event, std::chrono::milliseconds now);
  std::string show(const StepStarted& event, std::chrono::milliseconds now);
  std::string show(const StepProgress& event, std::chrono::milliseconds now);
  std::string show(const StepLog& event, std::chrono::milliseconds now);
  std::string show(const StepEnded& event, std::chrono::milliseconds now);
  std::string show(const Warning& event, std::chrono::milliseconds now);
  std::string show(const CredentialsNeeded& event, std::chrono::milliseconds now);
  std::string show(const Finished& event, std::chrono::milliseconds now);
  std::string show(const Failed& event, std::chrono::milliseconds now);

  std::string log_line(int number,
                       const Step& step,
                       const std::string& line,
                       std::chrono::milliseconds now) const;
  std::string rest_of(int number, Step& step, std::chrono::milliseconds now) const;
  [[nodiscard]] std::string clean(const std::string& text) const;
  /// The warnings, with an empty line before them when something stands above.
  [[nodiscard]] std::string warnings_block(const std::string& above) const;

  bool for_terminal_;
  bool explain_;
  bool any_ = false;  ///< something was written: a new block begins with an empty line
  std::map<int, Step> steps_;
  std::vector<Warning> warnings_;  ///< about the Dockerfile: shown at the end
};

}  // namespace kiln::cli
