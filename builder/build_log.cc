#include "builder/build_log.h"

#include <fcntl.h>

#include "builder/os/file.h"

namespace kiln {

namespace {

constexpr std::size_t kTailLines = 20;
constexpr std::size_t kTailBytes = 16 * 1024;

/// Later events say it again, except for the last.
bool is_passing(const BuildEvent& event) {
  const auto* progress = std::get_if<StepProgress>(&event);
  return progress && progress->current_bytes != progress->total_bytes;
}

os::Fd create(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (error) throw system_error(error.value(), "make directory " + path.parent_path().string());
  return os::open_file(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0600);
}

}  // namespace

BuildLog::BuildLog(const std::filesystem::path& directory, Clock::time_point start)
    : path_(directory / "events.ndjson"), start_(start), file_(create(path_)) {}

void BuildLog::write(const BuildEvent& event) {
  if (is_passing(event)) return;
  if (const auto* log = std::get_if<StepLog>(&event)) return write_text(*log);
  if (const auto* ended = std::get_if<StepEnded>(&event)) end_step(*ended);
  write_line(event);
}

void BuildLog::write_line(const BuildEvent& event) {
  const auto at = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start_);
  const std::string line = to_json(TimedEvent{at.count(), event}) + "\n";
  os::write_all(file_.get(), as_bytes(line), path_.native());
}

void BuildLog::write_text(StepLog log) {
  std::string& tail = tails_[log.step];
  tail += log.text;
  if (tail.size() > 2 * kTailBytes) tail.erase(0, tail.size() - kTailBytes);
  StepLog whole{log.step, log.stream, {}};
  whole.text = text_.add(std::move(log));
  if (!whole.text.empty()) write_line(whole);
}

void BuildLog::end_step(const StepEnded& event) {
  for (const StepLog& rest : text_.finish(event.step))
    write_line(rest);
  if (event.outcome != StepOutcome::failed) tails_.erase(event.step);
  ++steps_;
  if (event.outcome == StepOutcome::cached) ++cached_steps_;
}

std::vector<std::string> BuildLog::tail(int step) const {
  std::vector<std::string> lines;
  const auto found = tails_.find(step);
  if (found == tails_.end()) return lines;
  for (std::string_view rest = found->second; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    lines.emplace_back(rest.substr(0, end));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  if (lines.size() > kTailLines) {
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(kTailLines));
  }
  return lines;
}

}  // namespace kiln
