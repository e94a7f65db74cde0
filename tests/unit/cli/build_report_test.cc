#include "cli/build_report.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "cli/trace.h"

namespace kiln::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kMs = 1'000'000;

BuildDetail two_pulls_side_by_side() {
  BuildDetail detail;
  detail.build.id = "1a";
  detail.build.duration_ns = 5000 * kMs;
  detail.build.cached_steps = 1;
  detail.phases = {{0, Phase::resolve, "alpine", 0, 10 * kMs, 0}};
  detail.steps = {{1,
                   "FROM alpine",
                   "done",
                   100 * kMs,
                   2000 * kMs,
                   {},
                   {{1, Phase::pull, "a", 100 * kMs, 1000 * kMs, 50'000'000},
                    {1, Phase::pull, "b", 100 * kMs, 2000 * kMs, 50'000'000}}},
                  {2, "RUN make", "cached", 2100 * kMs, 0, {}, {}},
                  {3, "RUN test", "failed", 500 * kMs, 3000 * kMs, {}, {}}};
  return detail;
}

TEST(BuildReport, TimeThatPhasesShareCountsOnce) {
  EXPECT_EQ(busy_ns({{1, Phase::run, "", 0, 10, 0}, {1, Phase::run, "", 5, 10, 0}}), 15);
  EXPECT_EQ(busy_ns({{1, Phase::run, "", 0, 10, 0}, {1, Phase::run, "", 2, 3, 0}}), 10);
  EXPECT_EQ(busy_ns({{1, Phase::run, "", 20, 10, 0}, {1, Phase::run, "", 0, 10, 0}}), 20);
  EXPECT_EQ(busy_ns({}), 0);
}

TEST(BuildReport, DurationsHaveTheUnitThatFits) {
  EXPECT_EQ(human_duration(85'400), "85us");
  EXPECT_EQ(human_duration(1'240'000), "1.2ms");
  EXPECT_EQ(human_duration(340 * kMs), "340ms");
  EXPECT_EQ(human_duration(12'340 * kMs), "12.3s");
  EXPECT_EQ(human_duration(245'000 * kMs), "4m05s");
}

TEST(BuildReport, TimingsAreOfPhasesAndOfStepsThatRan) {
  const std::string text = timings_report(two_pulls_side_by_side());
  EXPECT_THAT(text, testing::StartsWith("5.0s in all, 3 steps, 1 of them cached\n"));
  EXPECT_THAT(text, testing::ContainsRegex("pull +2.0s +100MB +50.0MB/s +2\n"));
  EXPECT_THAT(text, testing::ContainsRegex("#3 +3.0s +failed +RUN test.*\n#1 +2.0s +done"));
  EXPECT_THAT(text, Not(HasSubstr("RUN make")));
}

TEST(Trace, PhasesAreInsideTheirStepUnlessTheyOverlap) {
  const auto trace = nlohmann::json::parse(chrome_trace(two_pulls_side_by_side()));
  std::map<std::string, int> track;
  for (const auto& event : trace["traceEvents"]) {
    if (event["ph"] == "X") track[event["name"]] = event["tid"];
  }
  EXPECT_EQ(track["build 1a"], track["resolve alpine"]);
  EXPECT_EQ(track["FROM alpine"], track["pull b"]) << "the longer one";
  EXPECT_NE(track["FROM alpine"], track["pull a"]);
  EXPECT_NE(track["FROM alpine"], track["RUN test"]) << "they ran side by side";
  EXPECT_EQ(track["FROM alpine"], track["RUN make"]) << "one after the other";
}

TEST(Trace, TimesAreInMicroseconds) {
  const auto trace = nlohmann::json::parse(chrome_trace(two_pulls_side_by_side()));
  const auto& build = trace["traceEvents"][0];
  EXPECT_EQ(build["ts"], 0.0);
  EXPECT_EQ(build["dur"], 5'000'000.0);
}

}  // namespace
}  // namespace kiln::cli
