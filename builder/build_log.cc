#include "builder/build_log.h"

#include <cerrno>

#include "builder/os/file.h"

namespace kiln {

namespace {
constexpr std::size_t kTailLines = 20;
constexpr std::size_t kTailBytes = 16 * 1024;
}  // namespace

BuildLog::BuildLog(const std::filesystem::path& directory) : path_(directory / "events.ndjson") {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) throw system_error(error.value(), "make directory " + directory.string());
  file_.reset(std::fopen(path_.c_str(), "wxe"));
  if (!file_) throw system_error(errno, "create " + path_.string());
}

void BuildLog::write(const BuildEvent& event) {
  const std::string line = to_json(event) + "\n";
  if (std::fwrite(line.data(), 1, line.size(), file_.get()) != line.size()) {
    throw system_error(errno, "write " + path_.string());
  }
  if (const auto* log = std::get_if<StepLog>(&event)) {
    std::string& tail = tails_[log->step];
    tail += log->text;
    if (tail.size() > 2 * kTailBytes) tail.erase(0, tail.size() - kTailBytes);
  } else if (const auto* ended = std::get_if<StepEnded>(&event)) {
    if (ended->outcome != StepOutcome::failed) tails_.erase(ended->step);
  }
}

void BuildLog::flush() {
  if (std::fflush(file_.get()) != 0) throw system_error(errno, "write " + path_.string());
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
