#include "cli/progress_state.h"

#include <algorithm>

namespace kiln::cli {

namespace {

/// What a terminal would show of a line that overwrites itself: the part behind the last carriage
/// return that has any text.
std::string visible(std::string_view line) {
  while (line.ends_with('\r'))
    line.remove_suffix(1);
  const std::size_t last = line.rfind('\r');
  return sanitize(last == std::string_view::npos ? line : line.substr(last + 1));
}

}  // namespace

std::vector<std::string> StepView::last_lines(std::size_t count) const {
  std::vector<std::string> lines(tail.begin(), tail.end());
  for (const LineBuffer& stream : streams) {
    if (!stream.rest().empty()) lines.push_back(visible(stream.rest()));
  }
  if (lines.size() > count)
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(count));
  return lines;
}

void ProgressState::started(const StepStarted& event, std::chrono::milliseconds now) {
  StepView& step = running_[event.step];
  step.name = sanitize(event.name);
  step.started = now;
  names_[event.step] = step.name;
}

void ProgressState::progressed(const StepProgress& event) {
  const auto step = running_.find(event.step);
  if (step == running_.end()) return;
  auto& transfers = step->second.transfers;
  const std::string item = sanitize(event.item);
  auto found = std::ranges::find(transfers, item, &TransferView::item);
  if (found == transfers.end()) found = transfers.insert(found, TransferView{item, 0, 0});
  found->current_bytes = event.current_bytes;
  found->total_bytes = event.total_bytes;
}

void ProgressState::logged(const StepLog& event) {
  const auto step = running_.find(event.step);
  if (step == running_.end()) return;
  auto& tail = step->second.tail;
  for (const std::string& line : step->second.streams[event.stream == 2 ? 1 : 0].add(event.text))
    tail.push_back(visible(line));
  while (tail.size() > StepView::kTailLines)
    tail.pop_front();
}

EndedStep ProgressState::ended(const StepEnded& event) {
  running_.erase(event.step);
  ++ended_count_;
  if (event.outcome == StepOutcome::cached) ++cached_count_;
  return {name_of(event.step), event.outcome, std::chrono::milliseconds(event.duration_ms)};
}

std::string ProgressState::name_of(int step) const {
  const auto found = names_.find(step);
  return found == names_.end() ? "" : found->second;
}

}  // namespace kiln::cli
