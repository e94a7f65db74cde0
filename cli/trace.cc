#include "cli/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace kiln::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kBuildTrack = 0;
constexpr int kFirstStepTrack = 1;
constexpr int kFirstSideTrack = 1001;  ///< of phases that overlap others of their step

struct Span {
  std::int64_t start = 0;
  std::int64_t end = 0;
};

/// Gives every span the first track that is free; spans come by their start.
class Tracks {
 public:
  explicit Tracks(int first) : first_(first) {}

  int place(const Span& span) {
    for (std::size_t i = 0; i < free_from_.size(); ++i) {
      if (free_from_[i] > span.start) continue;
      free_from_[i] = span.end;
      return first_ + static_cast<int>(i);
    }
    free_from_.push_back(span.end);
    return first_ + static_cast<int>(free_from_.size()) - 1;
  }

  [[nodiscard]] int count() const { return static_cast<int>(free_from_.size()); }

 private:
  int first_;
  std::vector<std::int64_t> free_from_;
};

double to_us(std::int64_t ns) {
  return static_cast<double>(ns) / 1000;
}

Json event(const std::string& name, std::string_view category, const Span& span, int track) {
  return {{"name", name},
          {"cat", category},
          {"ph", "X"},
          {"ts", to_us(span.start)},
          {"dur", to_us(span.end - span.start)},
          {"pid", 1},
          {"tid", track},
          {"args", Json::object()}};
}

Json track_name(int track, const std::string& name) {
  return {
      {"name", "thread_name"}, {"ph", "M"}, {"pid", 1}, {"tid", track}, {"args", {{"name", name}}}};
}

/// Events of one build, in the order in which they were begun.
class Trace {
 public:
  explicit Trace(const BuildDetail& detail) : detail_(detail) {}

  std::string write() {
    const Span whole{0, detail_.build.duration_ns};
    Json build = event("build " + detail_.build.id, "build", whole, kBuildTrack);
    build["args"] = {{"status", detail_.build.status}, {"context", detail_.build.context}};
    events_.push_back(std::move(build));
    add_phases(detail_.phases, whole, kBuildTrack);
    std::vector<const StepSummary*> steps;
    for (const StepSummary& step : detail_.steps)
      steps.push_back(&step);
    std::ranges::sort(
        steps, {}, [](const StepSummary* step) { return std::pair(step->start_ns, step->step); });
    for (const StepSummary* step : steps)
      add_step(*step);
    name_tracks();
    const Json trace{{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events_)}};
    return trace.dump(-1, ' ', false, Json::error_handler_t::replace);
  }

 private:
  void add_step(const StepSummary& step) {
    const Span span{step.start_ns, step.start_ns + step.duration_ns};
    const int track = steps_.place(span);
    Json one = event(step.name, "step", span, track);
    one["args"] = {{"step", step.step}, {"outcome", step.outcome}};
    events_.push_back(std::move(one));
    add_phases(step.phases, span, track);
  }

  void add_phases(std::vector<StepPhase> phases, const Span& outer, int track) {
    std::ranges::sort(phases, {}, [](const StepPhase& phase) {
      return std::pair(phase.start_ns, -phase.duration_ns);
    });
    std::int64_t free_from = outer.start;
    for (const StepPhase& phase : phases) {
      Span span{std::clamp(phase.start_ns, outer.start, outer.end), 0};
      span.end = std::clamp(phase.start_ns + phase.duration_ns, span.start, outer.end);
      const bool inside = span.start >= free_from;
      if (inside) free_from = span.end;
      std::string name(to_word(phase.phase));
      if (!phase.item.empty()) name += " " + phase.item;
      Json one = event(name, "phase", span, inside ? track : sides_.place(span));
      one["args"]["step"] = phase.step;
      if (phase.bytes > 0) one["args"]["bytes"] = phase.bytes;
      events_.push_back(std::move(one));
    }
  }

  void name_tracks() {
    events_.push_back(track_name(kBuildTrack, "build"));
    for (int i = 0; i < steps_.count(); ++i)
      events_.push_back(track_name(kFirstStepTrack + i, fmt::format("steps {}", i + 1)));
    for (int i = 0; i < sides_.count(); ++i)
      events_.push_back(track_name(kFirstSideTrack + i, fmt::format("side by side {}", i + 1)));
  }

  const BuildDetail& detail_;
  Json events_ = Json::array();
  Tracks steps_{kFirstStepTrack};
  Tracks sides_{kFirstSideTrack};
};

}  // namespace

std::string chrome_trace(const BuildDetail& detail) {
  return Trace(detail).write();
}

}  // namespace kiln::cli
