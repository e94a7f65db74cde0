#include "cli/build_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "cli/progress_report.h"
#include "cli/table.h"
#include "cli/text.h"

namespace kiln::cli {

namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string human_rate(std::uint64_t bytes, std::int64_t ns) {
  if (bytes == 0 || ns <= 0) return "";
  const double rate = static_cast<double>(bytes) * 1e9 / static_cast<double>(ns);
  return human_bytes(static_cast<std::uint64_t>(rate)) + "/s";
}

std::uint64_t bytes_of(const std::vector<StepPhase>& phases) {
  std::uint64_t bytes = 0;
  for (const StepPhase& phase : phases)
    bytes += phase.bytes;
  return bytes;
}

std::map<Phase, std::vector<StepPhase>> by_phase(const std::vector<StepPhase>& phases) {
  std::map<Phase, std::vector<StepPhase>> sorted;
  for (const StepPhase& phase : phases)
    sorted[phase.phase].push_back(phase);
  return sorted;
}

std::string phase_table(const BuildDetail& detail) {
  std::vector<StepPhase> all = detail.phases;
  for (const StepSummary& step : detail.steps)
    all.insert(all.end(), step.phases.begin(), step.phases.end());
  Rows rows{{"PHASE", "TIME", "BYTES", "RATE", "TIMES"}};
  for (const auto& [phase, spans] : by_phase(all)) {
    const std::int64_t time = busy_ns(spans);
    const std::uint64_t bytes = bytes_of(spans);
    rows.push_back({std::string(to_word(phase)), human_duration(time),
                    bytes == 0 ? "" : human_bytes(bytes), human_rate(bytes, time),
                    fmt::format("{}", spans.size())});
  }
  return rows.size() == 1 ? "" : format_table(rows);
}

/// "run 1.2s, diff 30ms 45MB 1.5GB/s"
std::string phases_of(const StepSummary& step) {
  std::vector<std::string> parts;
  for (const auto& [phase, spans] : by_phase(step.phases)) {
    const std::int64_t time = busy_ns(spans);
    std::string part = fmt::format("{} {}", to_word(phase), human_duration(time));
    if (const std::uint64_t bytes = bytes_of(spans); bytes > 0)
      part += fmt::format(" {} {}", human_bytes(bytes), human_rate(bytes, time));
    parts.push_back(std::move(part));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string step_table(const BuildDetail& detail) {
  std::vector<const StepSummary*> steps;
  for (const StepSummary& step : detail.steps) {
    if (step.outcome != "cached") steps.push_back(&step);
  }
  std::ranges::sort(
      steps, {}, [](const StepSummary* step) { return std::pair(-step->duration_ns, step->step); });
  constexpr std::size_t kNameColumns = 60;
  Rows rows{{"STEP", "TIME", "OUTCOME", "NAME", "PHASES"}};
  for (const StepSummary* step : steps) {
    std::string name = sanitize(step->name);
    if (display_width(name) > kNameColumns) name = clip(name, kNameColumns - 3) + "...";
    rows.push_back({fmt::format("#{}", step->step), human_duration(step->duration_ns),
                    sanitize(step->outcome), std::move(name), phases_of(*step)});
  }
  return rows.size() == 1 ? "" : format_table(rows);
}

}  // namespace

std::string human_duration(std::int64_t ns) {
  const double seconds = static_cast<double>(ns) / 1e9;
  if (ns < 1'000'000) return fmt::format("{}us", ns / 1000);
  if (ns < 10'000'000) return fmt::format("{:.1f}ms", seconds * 1e3);
  if (ns < 1'000'000'000) return fmt::format("{:.0f}ms", seconds * 1e3);
  if (ns < 60'000'000'000) return fmt::format("{:.1f}s", seconds);
  const std::int64_t whole = ns / 1'000'000'000;
  return fmt::format("{}m{:02}s", whole / 60, whole % 60);
}

std::int64_t busy_ns(const std::vector<StepPhase>& phases) {
  std::vector<std::pair<std::int64_t, std::int64_t>> spans;
  for (const StepPhase& phase : phases)
    spans.emplace_back(phase.start_ns, phase.start_ns + phase.duration_ns);
  std::ranges::sort(spans);
  std::int64_t busy = 0;
  std::int64_t until = 0;
  for (const auto& [start, end] : spans) {
    busy += std::max<std::int64_t>(0, end - std::max(start, until));
    until = std::max(until, end);
  }
  return busy;
}

std::string timings_report(const BuildDetail& detail) {
  const std::string steps = step_table(detail);
  return fmt::format("{} in all, {} steps, {} of them cached\n\n{}{}{}",
                     human_duration(detail.build.duration_ns), detail.steps.size(),
                     detail.build.cached_steps, phase_table(detail), steps.empty() ? "" : "\n",
                     steps);
}

std::string build_header(const BuildSummary& build, std::int64_t now_s) {
  std::string text =
      fmt::format("build {} {}, begun {} ({})\n", sanitize(build.id), sanitize(build.status),
                  sanitize(human_age(build.started, now_s)), sanitize(build.started));
  const auto line = [&text](std::string_view name, const std::string& value) {
    if (!value.empty()) text += fmt::format("{:<9}{}\n", name, sanitize(value));
  };
  line("context", build.context);
  line("target", build.target);
  line("names", fmt::format("{}", fmt::join(build.names, " ")));
  line("image", build.image_digest);
  if (!build.error.empty()) text += fmt::format("error    {}\n", sanitize_lines(build.error));
  return text;
}

}  // namespace kiln::cli
