#include "cli/progress_plain.h"

#include <gtest/gtest.h>

#include "cli/progress_report.h"

namespace kiln::cli {
namespace {

using std::chrono::milliseconds;

struct At {
  int ms;
  BuildEvent event;
};

std::string render(const std::vector<At>& events, bool for_terminal = false) {
  PlainRenderer renderer(for_terminal);
  std::string text;
  for (const At& at : events)
    text += renderer.render(at.event, milliseconds(at.ms));
  return text;
}

TEST(PlainRenderer, WritesABuildAsLines) {
  EXPECT_EQ(render({
                {0, StepStarted{1, "[1/3] FROM docker.io/library/alpine:3.20"}},
                {10, StepEnded{1, StepOutcome::cached, 0}},
                {10, StepStarted{2, "[2/3] WORKDIR /app"}},
                {110, StepEnded{2, StepOutcome::done, 100}},
                {200, StepStarted{3, "[3/3] RUN make"}},
                {323, StepLog{3, 1, "cc -c main.c\ncc -o "}},
                {400, StepLog{3, 1, "main\n"}},
                {500, StepLog{3, 2, "no newline at the end"}},
                {700, StepEnded{3, StepOutcome::done, 500}},
                {700, Warning{"Dockerfile:3: WORKDIR is relative"}},
                {700, Finished{"b1", "sha256:abc", "sha256:def", {"app:1"}, {}}},
            }),
            "#1 [1/3] FROM docker.io/library/alpine:3.20\n"
            "#1 CACHED\n"
            "\n"
            "#2 [2/3] WORKDIR /app\n"
            "#2 DONE 0.1s\n"
            "\n"
            "#3 [3/3] RUN make\n"
            "#3 0.123 cc -c main.c\n"
            "#3 0.200 cc -o main\n"
            "#3 0.500 no newline at the end\n"
            "#3 DONE 0.5s\n"
            "WARNING: Dockerfile:3: WORKDIR is relative\n"
            "\n"
            "image sha256:abc\n"
            "named app:1\n");
}

TEST(PlainRenderer, TellsWhatIsWrongWithTheDockerfileAtTheEnd) {
  Warning warning{"Dockerfile:2:1: JSONArgsRecommended: use a list\n>>> 2 | CMD x"};
  warning.rule = "JSONArgsRecommended";
  EXPECT_EQ(render({
                {0, warning},
                {0, StepStarted{1, "[1/1] FROM alpine"}},
                {0, StepEnded{1, StepOutcome::cached, 0}},
                {0, Finished{"b1", "sha256:abc", "", {}, {}}},
            }),
            "#1 [1/1] FROM alpine\n#1 CACHED\n\nimage sha256:abc\n\n"
            "1 warning found:\n"
            "WARNING: Dockerfile:2:1: JSONArgsRecommended: use a list\n>>> 2 | CMD x\n");
  EXPECT_EQ(
      render({{0, warning}, {0, warning}, {0, Failed{Errc::invalid_input, "no", {}, {}, {}}}}),
      "2 warnings found:\n"
      "WARNING: Dockerfile:2:1: JSONArgsRecommended: use a list\n>>> 2 | CMD x\n"
      "WARNING: Dockerfile:2:1: JSONArgsRecommended: use a list\n>>> 2 | CMD x\n\nERROR: no\n");
}

TEST(PlainRenderer, DoesNotShowALogAgainThatWasShown) {
  EXPECT_EQ(render({
                {0, StepStarted{2, "[2/2] RUN false"}},
                {5, StepLog{2, 2, "oh no\n"}},
                {10, StepEnded{2, StepOutcome::failed, 10}},
                {10, Failed{Errc::step_failed, "Dockerfile:2: RUN false failed", 2, 7, {"oh no"}}},
            }),
            "#2 [2/2] RUN false\n"
            "#2 0.005 oh no\n"
            "#2 ERROR 0.0s\n"
            "\n"
            "ERROR: Dockerfile:2: RUN false failed\n"
            "exit code: 7\n");
}

TEST(PlainRenderer, NeverClipsOutput) {
  const std::string line(5'000'000, 'x');
  const std::string text = render({{0, StepStarted{1, "RUN"}}, {0, StepLog{1, 1, line + "\n"}}});
  EXPECT_EQ(text, "#1 RUN\n#1 0.000 " + line + "\n");
}

TEST(PlainRenderer, SaysHowFarALongTransferIsEveryFewSecondsAndWhenItIsComplete) {
  EXPECT_EQ(render({
                {0, StepStarted{1, "FROM alpine"}},
                {100, StepProgress{1, "sha256:aa", 0, 2'000'000}},
                {900, StepProgress{1, "sha256:aa", 500'000, 2'000'000}},
                {5200, StepProgress{1, "sha256:aa", 1'000'000, 2'000'000}},
                {6000, StepProgress{1, "sha256:aa", 2'000'000, 2'000'000}},
                {6100, StepProgress{1, "sha256:aa", 2'000'000, 2'000'000}},
            }),
            "#1 FROM alpine\n"
            "#1 sha256:aa 1.00MB / 2.00MB 5.2s\n"
            "#1 sha256:aa 2.00MB / 2.00MB 6.0s done\n");
}

TEST(PlainRenderer, MakesOutputHarmlessForATerminalOnly) {
  const std::vector<At> events{{0, StepStarted{1, "RUN \x1b[2J"}},
                               {0, StepLog{1, 1, "10%\r\x1b[31m20%\x1b[H\n"}}};
  EXPECT_EQ(render(events, true), "#1 RUN \n#1 0.000 10%\n#1 0.000 \x1b[31m20%\x1b[0m\n");
  EXPECT_EQ(render(events, false), "#1 RUN \x1b[2J\n#1 0.000 10%\r\x1b[31m20%\x1b[H\n");
}

TEST(PlainRenderer, ToleratesEventsOfStepsThatWereNotAnnounced) {
  EXPECT_EQ(render({{0, StepEnded{9, StepOutcome::cancelled, 100}}}), "#9 CANCELED 0.1s\n");
}

TEST(FailureReport, ShowsTheLastLinesTheMessageAndTheExitCode) {
  const Failed failed{Errc::step_failed, "Dockerfile:2:\n>>> RUN false\n", 2, 1, {"a", "b\x1b[2J"}};
  EXPECT_EQ(failure_report(failed, {.step_name = "[2/2] RUN false"}),
            "------\n > [2/2] RUN false:\na\nb\n------\n"
            "ERROR: Dockerfile:2:\n>>> RUN false\nexit code: 1\n");
}

TEST(FailureReport, DoesNotRepeatAnExitCodeThatTheMessageHas) {
  const Failed failed{
      Errc::step_failed, "it did not complete successfully: exit code: 7", {}, 7, {}};
  EXPECT_EQ(failure_report(failed, {}), "ERROR: it did not complete successfully: exit code: 7\n");
}

TEST(FailureReport, NamesTheCodeWhenThereIsNoMessage) {
  EXPECT_EQ(failure_report(Failed{Errc::denied, "", {}, {}, {}}, {}), "ERROR: denied\n");
}

}  // namespace
}  // namespace kiln::cli
