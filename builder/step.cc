#include "builder/step.h"

namespace kiln {

Step::Step(EventSink events, solver::StepCounter& counter, std::string name)
    : events_(std::move(events)), number_(counter.next()), build_start_(counter.began()) {
  events_(StepStarted{number_, std::move(name)});
}

Step::~Step() {
  end(StepOutcome::failed);
}

void Step::log(int stream, std::string_view text) {
  if (!ended_) events_(StepLog{number_, stream, std::string(text)});
}

void Step::progress(std::string_view item, std::uint64_t current_bytes, std::uint64_t total_bytes) {
  // Shared work may go on for others after this step is over.
  if (!ended_) events_(StepProgress{number_, std::string(item), current_bytes, total_bytes});
}

void Step::phase(const solver::PhaseSpan& span) {
  if (!ended_) events_(solver::to_event(number_, span, build_start_, start_));
}

void BuildListener::phase(const solver::PhaseSpan& span) {
  if (!ended_) events_(solver::to_event(0, span, build_start_, build_start_));
}

void Step::end(StepOutcome outcome) {
  if (std::exchange(ended_, true)) return;
  const auto elapsed = std::chrono::steady_clock::now() - start_;
  events_(StepEnded{number_, outcome,
                    std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count()});
}

}  // namespace kiln
