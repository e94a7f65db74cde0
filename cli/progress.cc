#include "cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>

#include "cli/errors.h"
#include "cli/fd.h"
#include "cli/progress_plain.h"
#include "cli/progress_report.h"
#include "cli/progress_tty.h"

namespace kiln::cli {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

class Stopwatch {
 public:
  [[nodiscard]] milliseconds elapsed() const {
    return std::chrono::duration_cast<milliseconds>(Clock::now() - start_);
  }

 private:
  Clock::time_point start_ = Clock::now();
};

bool has_environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
  return value != nullptr && *value != '\0';
}

bool is_dumb_terminal() {
  const char* term = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): one thread
  return term == nullptr || std::string_view(term) == "dumb";
}

class PlainProgress final : public Progress {
 public:
  explicit PlainProgress(bool explain) : renderer_(::isatty(STDERR_FILENO) == 1, explain) {}

  void event(const BuildEvent& event, std::string_view /*line*/) override {
    write_all(STDERR_FILENO, renderer_.render(event, time_.elapsed()), "stderr");
  }

 private:
  PlainRenderer renderer_;
  Stopwatch time_;
};

class TtyProgress final : public Progress {
 public:
  TtyProgress(std::string title, bool explain)
      : renderer_(std::move(title), !has_environment("NO_COLOR"), explain) {}

  void event(const BuildEvent& event, std::string_view /*line*/) override {
    renderer_.apply(event, time_.elapsed());
    if (std::holds_alternative<Finished>(event) || std::holds_alternative<Failed>(event))
      write_all(STDERR_FILENO, renderer_.draw(size(), time_.elapsed()), "stderr");
  }

  void redraw() override {
    const milliseconds now = time_.elapsed();
    if (drawn_ && now - *drawn_ < kInterval) return;
    drawn_ = now;
    write_all(STDERR_FILENO, renderer_.draw(size(), now), "stderr");
  }

  [[nodiscard]] std::optional<milliseconds> redraw_interval() const override { return kInterval; }

 private:
  static constexpr milliseconds kInterval{100};

  static TerminalSize size() {
    winsize window{};
    // NOLINTNEXTLINE: ioctl is variadic
    if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &window) < 0 || window.ws_col == 0 || window.ws_row == 0)
      return {};
    return {window.ws_col, window.ws_row};
  }

  TtyRenderer renderer_;
  Stopwatch time_;
  std::optional<milliseconds> drawn_;
};

class JsonProgress final : public Progress {
 public:
  void event(const BuildEvent& event, std::string_view line) override {
    write_all(STDOUT_FILENO, std::string(line) + "\n", "stdout");
    if (const auto* failed = std::get_if<Failed>(&event))
      write_all(STDERR_FILENO, failure_report(*failed, {.log_shown = true}), "stderr");
  }
};

class QuietProgress final : public Progress {
 public:
  explicit QuietProgress(bool print_digest) : print_digest_(print_digest) {}

  void event(const BuildEvent& event, std::string_view /*line*/) override {
    if (const auto* started = std::get_if<StepStarted>(&event))
      names_[started->step] = started->name;
    if (const auto* failed = std::get_if<Failed>(&event)) {
      const std::string name = failed->step ? names_[*failed->step] : "";
      write_all(STDERR_FILENO, failure_report(*failed, {.step_name = name}), "stderr");
    }
    if (const auto* finished = std::get_if<Finished>(&event);
        finished != nullptr && print_digest_ && !finished->image_digest.empty())
      write_all(STDOUT_FILENO, finished->image_digest + "\n", "stdout");
  }

 private:
  bool print_digest_;
  std::map<int, std::string> names_;
};

}  // namespace

ProgressMode parse_progress_mode(std::string_view word) {
  if (word == "auto") return ProgressMode::automatic;
  if (word == "tty") return ProgressMode::tty;
  if (word == "plain") return ProgressMode::plain;
  if (word == "json") return ProgressMode::json;
  if (word == "quiet") return ProgressMode::quiet;
  throw UsageError("--progress \"{}\": not one of auto, tty, plain, json, quiet", word);
}

std::unique_ptr<Progress> make_progress(const ProgressOptions& options) {
  ProgressMode mode = options.mode;
  if (mode == ProgressMode::automatic)
    mode = ::isatty(STDERR_FILENO) == 1 && !is_dumb_terminal() ? ProgressMode::tty
                                                               : ProgressMode::plain;
  switch (mode) {
    case ProgressMode::tty:
      return std::make_unique<TtyProgress>(options.title, options.explain);
    case ProgressMode::json:
      if (options.stdout_taken)
        throw UsageError(
            "--progress json writes to stdout, and so does an output; give that a dest=PATH");
      return std::make_unique<JsonProgress>();
    case ProgressMode::quiet:
      return std::make_unique<QuietProgress>(!options.stdout_taken);
    case ProgressMode::plain:
    case ProgressMode::automatic:
      break;
  }
  return std::make_unique<PlainProgress>(options.explain);
}

}  // namespace kiln::cli
