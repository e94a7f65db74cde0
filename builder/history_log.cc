#include "builder/history_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "builder/os/file.h"

namespace kiln {

namespace {

constexpr std::size_t kChunkBytes = 1024 * 1024;
constexpr std::string_view kLineBegin = R"({"event":")";
/// What commands said is most of a log, and says nothing of times.
constexpr std::string_view kOutputBegin = R"({"event":"step_log")";

std::size_t read_some(int fd, std::string& text, std::size_t count, std::uint64_t offset) {
  const std::size_t size = text.size();
  text.resize(size + count);
  const ssize_t got = ::pread(fd, text.data() + size, count, static_cast<off_t>(offset));
  if (got < 0) throw system_error(errno, "read a build's log");
  text.resize(size + static_cast<std::size_t>(got));
  return static_cast<std::size_t>(got);
}

bool is_line(std::string_view line) {
  return line.starts_with(kLineBegin) && line.ends_with('}') &&
         line.find('\0') == std::string_view::npos;
}

/// The length of the sound lines that `text` begins with.
std::size_t sound_size(std::string_view text) {
  std::size_t size = 0;
  while (true) {
    const std::size_t end = text.find('\n', size);
    if (end == std::string_view::npos || !is_line(text.substr(size, end - size))) return size;
    size = end + 1;
  }
}

/// Puts a log's events together.
class Details {
 public:
  explicit Details(std::string unfinished) : unfinished_(std::move(unfinished)) {}

  void add(const TimedEvent& timed) {
    last_ns_ = std::max(last_ns_, timed.at_ns);
    std::visit([&](const auto& event) { take(event, timed.at_ns); }, timed.event);
  }

  BuildDetail finish() {
    for (StepSummary& step : detail_.steps) {
      if (!step.outcome.empty()) continue;
      step.outcome = unfinished_;
      step.duration_ns = last_ns_ - step.start_ns;
    }
    detail_.build.duration_ns = last_ns_;
    return std::move(detail_);
  }

 private:
  void take(const StepStarted& event, std::int64_t at_ns) {
    index_[event.step] = detail_.steps.size();
    detail_.steps.push_back({event.step, event.name, "", at_ns, 0, {}, {}});
  }
  void take(const StepEnded& event, std::int64_t at_ns) {
    StepSummary* step = find(event.step);
    if (!step) return;
    step->duration_ns = at_ns - step->start_ns;
    step->outcome = to_word(event.outcome);
    ++detail_.build.steps;
    if (event.outcome == StepOutcome::cached) ++detail_.build.cached_steps;
  }
  void take(const StepPhase& event, std::int64_t /*at_ns*/) {
    if (StepSummary* step = find(event.step)) {
      step->phases.push_back(event);
    } else {
      detail_.phases.push_back(event);
    }
  }
  void take(const StepExplained& event, std::int64_t /*at_ns*/) {
    if (StepSummary* step = find(event.step)) step->explained = event;
  }
  template <class Event>
  void take(const Event& /*event*/, std::int64_t /*at_ns*/) {}

  StepSummary* find(int step) {
    const auto found = index_.find(step);
    return found == index_.end() ? nullptr : &detail_.steps[found->second];
  }

  std::string unfinished_;
  BuildDetail detail_;
  std::map<int, std::size_t> index_;
  std::int64_t last_ns_ = 0;
};

}  // namespace

std::string read_log_lines(const std::filesystem::path& file,
                           std::uint64_t offset,
                           std::size_t limit_bytes) {
  const os::Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return {};
  if (!fd) throw system_error(errno, "open " + file.string());
  std::string text;
  while (true) {
    const std::size_t got = read_some(fd.get(), text, limit_bytes, offset + text.size());
    const std::size_t end = text.rfind('\n');
    if (end == std::string::npos && got > 0) continue;  // one line longer than the limit
    text.resize(sound_size(text));
    return text;
  }
}

BuildDetail read_detail(const std::filesystem::path& file, const std::string& unfinished) {
  Details details(unfinished);
  std::uint64_t offset = 0;
  while (true) {
    const std::string lines = read_log_lines(file, offset, kChunkBytes);
    if (lines.empty()) return details.finish();
    offset += lines.size();
    for (std::string_view rest = lines; !rest.empty();) {
      const std::size_t end = rest.find('\n');
      const std::string_view line = rest.substr(0, end);
      if (!line.starts_with(kOutputBegin)) details.add(from_json<TimedEvent>(line));
      rest.remove_prefix(end + 1);
    }
  }
}

}  // namespace kiln
