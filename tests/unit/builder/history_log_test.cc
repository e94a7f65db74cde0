#include "builder/history_log.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "builder/os/file.h"
#include "tests/support/scratch.h"

namespace kiln {
namespace {

struct HistoryLogTest : testing::Test {
  void add(std::int64_t at_ns, BuildEvent event) {
    text += to_json(TimedEvent{at_ns, std::move(event)}) + "\n";
  }
  void write() {
    std::filesystem::remove(file);
    os::FileSink(os::open_file(file, O_WRONLY | O_CREAT), file).write(as_bytes(text));
  }
  BuildDetail detail(const std::string& unfinished = "interrupted") {
    write();
    return read_detail(file, unfinished);
  }

  test::Scratch scratch;
  std::filesystem::path file = scratch / "events.ndjson";
  std::string text;
};

TEST_F(HistoryLogTest, AStepHasItsTimesAndPhases) {
  add(100, StepStarted{1, "RUN make"});
  add(900, StepPhase{1, Phase::run, "", 150, 700, 0});
  add(1000, StepEnded{1, StepOutcome::done, 0});
  const BuildDetail read = detail();
  ASSERT_EQ(read.steps.size(), 1U);
  EXPECT_EQ(read.steps[0].name, "RUN make");
  EXPECT_EQ(read.steps[0].outcome, "done");
  EXPECT_EQ(read.steps[0].start_ns, 100);
  EXPECT_EQ(read.steps[0].duration_ns, 900);
  ASSERT_EQ(read.steps[0].phases.size(), 1U);
  EXPECT_EQ(read.steps[0].phases[0].duration_ns, 700);
  EXPECT_EQ(read.build.duration_ns, 1000);
}

TEST_F(HistoryLogTest, APhaseOfNoStepIsTheBuilds) {
  add(10, StepPhase{0, Phase::resolve, "alpine", 1, 9, 0});
  EXPECT_EQ(detail().phases.at(0).item, "alpine");
}

TEST_F(HistoryLogTest, AStepWithoutAnEndLastsAsLongAsTheLog) {
  add(100, StepStarted{1, "RUN make"});
  add(300, Warning{"w"});
  const BuildDetail read = detail("running");
  EXPECT_EQ(read.steps.at(0).outcome, "running");
  EXPECT_EQ(read.steps.at(0).duration_ns, 200);
}

TEST_F(HistoryLogTest, WhatAPowerCutLeftOfALineEndsTheLog) {
  add(100, StepStarted{1, "RUN make"});
  const std::size_t whole = text.size();
  for (const std::string& torn : {std::string(R"({"event":"step_en)"), std::string(64, '\0') + "\n",
                                  std::string(R"({"event":"step_en)") + "\n"}) {
    text.resize(whole);
    text += torn;
    EXPECT_EQ(detail().steps.size(), 1U);
    EXPECT_EQ(read_log_lines(file, 0, 1000).size(), whole);
  }
}

TEST_F(HistoryLogTest, PartsAreWholeLinesAlsoOfOneThatIsLongerThanThePart) {
  add(1, StepLog{1, 1, std::string(5000, 'x')});
  const std::size_t first = text.size();
  add(2, StepLog{1, 1, "y"});
  write();
  EXPECT_EQ(read_log_lines(file, 0, 1000).substr(0, first), text.substr(0, first));
  EXPECT_EQ(read_log_lines(file, first, 1000), text.substr(first));
  EXPECT_EQ(read_log_lines(file, text.size(), 1000), "");
}

TEST_F(HistoryLogTest, ALogThatIsNotThereIsEmpty) {
  EXPECT_EQ(read_log_lines(scratch / "none", 0, 1000), "");
  EXPECT_TRUE(read_detail(scratch / "none", "interrupted").steps.empty());
}

}  // namespace
}  // namespace kiln
