#include "cli/progress_tty.h"

#include "cli/explanation.h"
#include "cli/progress_report.h"

namespace kiln::cli {

using std::chrono::milliseconds;

namespace {

constexpr const char* kNone = "";
constexpr const char* kDone = "\x1b[34m";    // blue, as docker's
constexpr const char* kFailed = "\x1b[31m";  // red
constexpr const char* kWarned = "\x1b[33m";  // yellow
constexpr const char* kDim = "\x1b[2m";

constexpr std::string_view kHideCursor = "\x1b[?25l";
constexpr std::string_view kShowCursor = "\x1b[?25h";
constexpr std::string_view kClearToLineEnd = "\x1b[K";
constexpr std::string_view kClearBelow = "\x1b[J";

std::string describe(const TransferView& transfer) {
  const std::string total =
      transfer.total_bytes > 0 ? " / " + human_bytes(transfer.total_bytes) : std::string();
  return fmt::format(" => => {} {}{}", transfer.item, human_bytes(transfer.current_bytes), total);
}

}  // namespace

void TtyRenderer::apply(const BuildEvent& event, milliseconds now) {
  std::visit([&](const auto& alternative) { take(alternative, now); }, event);
}

void TtyRenderer::take(const BuildStarted& /*event*/, milliseconds /*now*/) {}
void TtyRenderer::take(const StepPhase& /*event*/, milliseconds /*now*/) {}

void TtyRenderer::take(const StepExplained& event, milliseconds /*now*/) {
  if (explain_) reasons_[event.step] = explain(event);
}

void TtyRenderer::take(const StepStarted& event, milliseconds now) {
  state_.started(event, now);
}
void TtyRenderer::take(const StepProgress& event, milliseconds /*now*/) {
  state_.progressed(event);
}
void TtyRenderer::take(const StepLog& event, milliseconds /*now*/) {
  state_.logged(event);
}
void TtyRenderer::take(const CredentialsNeeded& /*event*/, milliseconds /*now*/) {}

void TtyRenderer::take(const StepEnded& event, milliseconds /*now*/) {
  const EndedStep step = state_.ended(event);
  const std::string right = human_seconds(step.duration);
  switch (step.outcome) {
    case StepOutcome::done:
      scrolled_.push_back({" => " + step.name, right, kDone});
      break;
    case StepOutcome::cached:
      scrolled_.push_back({" => CACHED " + step.name, right, kDone});
      break;
    case StepOutcome::failed:
      scrolled_.push_back({" => ERROR " + step.name, right, kFailed});
      break;
    case StepOutcome::cancelled:
      scrolled_.push_back({" => CANCELED " + step.name, right, kWarned});
      break;
  }
  for (const std::string& reason : reasons_[event.step])
    scrolled_.push_back({" => => " + reason, "", kDim});
  reasons_.erase(event.step);
}

void TtyRenderer::take(const Warning& event, milliseconds /*now*/) {
  if (!event.rule.empty()) {
    warnings_.push_back(event);
    return;
  }
  scroll_lines("WARNING: " + sanitize_lines(event.text), kWarned);
}

void TtyRenderer::take(const Finished& event, milliseconds now) {
  over_ = true;
  scroll_lines(status(now) + " FINISHED", kNone);
  if (!event.image_digest.empty()) scroll_lines("image " + sanitize(event.image_digest), kNone);
  for (const std::string& name : event.names)
    scroll_lines("named " + sanitize(name), kNone);
  scroll_warnings();
}

void TtyRenderer::take(const Failed& event, milliseconds now) {
  over_ = true;
  scroll_lines(status(now) + " FAILED", kFailed);
  scroll_warnings();
  ReportOptions options;
  if (event.step) options.step_name = state_.name_of(*event.step);
  std::string report = failure_report(event, options);
  report.pop_back();  // the last line's end: rows have their own
  scroll_lines(report, kNone);
}

void TtyRenderer::scroll_warnings() {
  std::string report = warnings_report(warnings_);
  if (report.empty()) return;
  report.pop_back();  // the last line's end: rows have their own
  scroll_lines("\n" + report, kWarned);
}

void TtyRenderer::scroll_lines(const std::string& text, const char* colour) {
  for (std::size_t start = 0;;) {
    const std::size_t end = text.find('\n', start);
    scrolled_.push_back({text.substr(start, end - start), "", colour, true});
    if (end == std::string::npos) return;
    start = end + 1;
  }
}

std::string TtyRenderer::status(milliseconds now) const {
  std::string text = fmt::format("[+] {} {} ({} done", title_, human_seconds(now),
                                 state_.ended_count() - state_.cached_count());
  if (state_.cached_count() > 0) text += fmt::format(", {} cached", state_.cached_count());
  if (!over_ && !state_.running().empty())
    text += fmt::format(", {} running", state_.running().size());
  return text + ")";
}

std::vector<TtyRenderer::Row> TtyRenderer::region(std::size_t height, milliseconds now) const {
  const std::size_t steps = state_.running().size();
  const std::size_t room = height - 1;  // below all, the status
  std::size_t shown = std::min(steps, room);
  if (shown < steps && shown > 0) --shown;  // for the row that says how many are not
  const std::size_t details = shown == 0 ? 0 : (room - std::min(room, steps)) / shown;

  std::vector<Row> rows;
  std::size_t left = shown;
  for (const auto& [number, step] : state_.running()) {
    if (left-- == 0) break;
    rows.push_back({" => " + step.name, human_seconds(now - step.started), kNone});
    std::size_t room_here = std::min(details, StepView::kTailLines);
    for (const TransferView& transfer : step.transfers) {
      if (transfer.complete() || room_here == 0) continue;
      --room_here;
      rows.push_back({describe(transfer), "", kNone});
    }
    for (const std::string& line : step.last_lines(room_here))
      rows.push_back({" => => " + line, "", kDim});
  }
  if (shown < steps && room > 0)
    rows.push_back({fmt::format(" => and {} more", steps - shown), "", kNone});
  rows.push_back({status(now), "", kNone});
  return rows;
}

std::string TtyRenderer::format(const Row& row, std::size_t columns) const {
  std::string text = row.text;
  if (!row.whole) {
    // The last column stays empty: some terminals wrap as soon as it is written.
    const std::size_t width = columns > 1 ? columns - 1 : 1;
    if (row.right.empty() || width < row.right.size() + 2) {
      text = clip(text, width);
    } else {
      const std::size_t room = width - row.right.size() - 1;
      text = clip(text, room);
      text.append(room - display_width(text) + 1, ' ');
      text += row.right;
    }
  }
  if (!colour_ || *row.colour == '\0') return text;
  return row.colour + text + "\x1b[0m";
}

std::string TtyRenderer::draw(TerminalSize size, milliseconds now) {
  std::vector<Row> rows = std::exchange(scrolled_, {});
  const std::size_t above = rows.size();
  if (!over_) {
    // One row less than the terminal has, for the cursor: the region never scrolls by itself.
    for (Row& row : region(size.rows > 1 ? size.rows - 1 : 1, now))
      rows.push_back(std::move(row));
  }
  std::string text(kHideCursor);
  if (region_height_ > 0) text += fmt::format("\x1b[{}A", region_height_);
  text += '\r';
  for (const Row& row : rows) {
    text += format(row, size.columns);
    text += kClearToLineEnd;
    text += '\n';
  }
  text += kClearBelow;
  text += kShowCursor;
  region_height_ = rows.size() - above;
  return text;
}

}  // namespace kiln::cli
