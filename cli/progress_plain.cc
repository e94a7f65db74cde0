#include "cli/progress_plain.h"

#include "cli/explanation.h"
#include "cli/progress_report.h"

namespace kiln::cli {

using std::chrono::milliseconds;

namespace {
/// A transfer that takes long says how far it is this often.
constexpr milliseconds kItemInterval{5000};
}  // namespace

std::string PlainRenderer::clean(const std::string& text) const {
  return for_terminal_ ? sanitize(text, Colours::keep) : text;
}

std::string PlainRenderer::render(const BuildEvent& event, milliseconds now) {
  std::string text =
      std::visit([&](const auto& alternative) { return show(alternative, now); }, event);
  any_ = any_ || !text.empty();
  return text;
}

std::string PlainRenderer::show(const BuildStarted& /*event*/, milliseconds /*now*/) {
  return {};
}

std::string PlainRenderer::show(const StepPhase& /*event*/, milliseconds /*now*/) {
  return {};
}

std::string PlainRenderer::show(const StepExplained& event, milliseconds /*now*/) {
  std::string text;
  if (!explain_) return text;
  for (const std::string& reason : explain(event))
    text += fmt::format("#{} {}\n", event.step, reason);
  return text;
}

std::string PlainRenderer::show(const StepStarted& event, milliseconds now) {
  Step& step = steps_[event.step];
  step.name = event.name;
  step.started = now;
  return fmt::format("{}#{} {}\n", any_ ? "\n" : "", event.step, clean(event.name));
}

std::string PlainRenderer::show(const StepProgress& event, milliseconds now) {
  Step& step = steps_[event.step];
  const auto [found, is_new] = step.items.try_emplace(event.item, Item{now, false});
  Item& item = found->second;
  const bool complete = event.total_bytes > 0 && event.current_bytes >= event.total_bytes;
  if (item.complete || (!complete && now - item.shown < kItemInterval)) return {};
  item.shown = now;
  item.complete = complete;
  const std::string total = event.total_bytes > 0 ? " / " + human_bytes(event.total_bytes) : "";
  return fmt::format("#{} {} {}{} {}{}\n", event.step, clean(event.item),
                     human_bytes(event.current_bytes), total, human_seconds(now - step.started),
                     complete ? " done" : "");
}

std::string PlainRenderer::log_line(int number,
                                    const Step& step,
                                    const std::string& line,
                                    milliseconds now) const {
  const double seconds = static_cast<double>((now - step.started).count()) / 1000;
  const std::string head = fmt::format("#{} {:.3f} ", number, seconds);
  if (!for_terminal_) return head + line + "\n";
  // On a terminal a carriage return would overwrite the head: each part gets a line of its own.
  std::string text;
  for (std::string_view rest = line;;) {
    const std::size_t end = rest.find('\r');
    text += head + sanitize(rest.substr(0, end), Colours::keep) + "\n";
    if (end == std::string_view::npos) return text;
    rest.remove_prefix(end + 1);
  }
}

std::string PlainRenderer::show(const StepLog& event, milliseconds now) {
  Step& step = steps_[event.step];
  step.has_log = true;
  std::string text;
  for (const std::string& line : step.streams[event.stream == 2 ? 1 : 0].add(event.text))
    text += log_line(event.step, step, line, now);
  return text;
}

std::string PlainRenderer::rest_of(int number, Step& step, milliseconds now) const {
  std::string text;
  for (LineBuffer& stream : step.streams) {
    if (const std::string line = stream.take_rest(); !line.empty())
      text += log_line(number, step, line, now);
  }
  return text;
}

std::string PlainRenderer::show(const StepEnded& event, milliseconds now) {
  std::string text = rest_of(event.step, steps_[event.step], now);
  const std::string duration = human_seconds(milliseconds(event.duration_ms));
  switch (event.outcome) {
    case StepOutcome::done:
      return text + fmt::format("#{} DONE {}\n", event.step, duration);
    case StepOutcome::cached:
      return text + fmt::format("#{} CACHED\n", event.step);
    case StepOutcome::failed:
      return text + fmt::format("#{} ERROR {}\n", event.step, duration);
    case StepOutcome::cancelled:
      return text + fmt::format("#{} CANCELED {}\n", event.step, duration);
  }
  return text;
}

std::string PlainRenderer::warnings_block(const std::string& above) const {
  if (warnings_.empty()) return above;
  return above + (any_ || !above.empty() ? "\n" : "") + warnings_report(warnings_);
}

std::string PlainRenderer::show(const Warning& event, milliseconds /*now*/) {
  if (!event.rule.empty()) {
    warnings_.push_back(event);
    return {};
  }
  return fmt::format("WARNING: {}\n", for_terminal_ ? sanitize_lines(event.text) : event.text);
}

std::string PlainRenderer::show(const CredentialsNeeded& /*event*/, milliseconds /*now*/) {
  return {};
}

std::string PlainRenderer::show(const Finished& event, milliseconds /*now*/) {
  std::string text = any_ ? "\n" : "";
  if (!event.image_digest.empty()) text += fmt::format("image {}\n", clean(event.image_digest));
  for (const std::string& name : event.names)
    text += fmt::format("named {}\n", clean(name));
  return warnings_block(text == "\n" ? "" : text);
}

std::string PlainRenderer::show(const Failed& event, milliseconds now) {
  std::string text;
  for (auto& [number, step] : steps_)
    text += rest_of(number, step, now);
  text = warnings_block(text);
  if (any_ || !text.empty()) text += "\n";
  ReportOptions options;
  if (event.step && steps_.contains(*event.step)) {
    options.step_name = steps_[*event.step].name;
    options.log_shown = steps_[*event.step].has_log;
  }
  return text + failure_report(event, options);
}

}  // namespace kiln::cli
