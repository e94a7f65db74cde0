#include "builder/build_log.h"

#include <gmock/gmock.h>

#include "builder/os/file.h"
#include "tests/support/scratch.h"

namespace kiln {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct BuildLogTest : testing::Test {
  std::string written() { return os::read_file(directory / "events.ndjson", 1 << 20); }

  test::Scratch scratch;
  std::filesystem::path directory = scratch / "builds/1a";
  BuildLog log{directory, BuildLog::Clock::now()};
};

TEST_F(BuildLogTest, AnEventIsInTheFileAsSoonAsItIsWritten) {
  log.write(StepStarted{1, "RUN make"});
  const auto event = from_json<TimedEvent>(written());
  EXPECT_EQ(std::get<StepStarted>(event.event).name, "RUN make");
  EXPECT_GT(event.at_ns, 0);
}

TEST_F(BuildLogTest, OfProgressOnlyTheEndIsKept) {
  log.write(StepProgress{1, "layer", 10, 100});
  log.write(StepProgress{1, "layer", 100, 100});
  EXPECT_THAT(written(), Not(HasSubstr(R"("current_bytes":10,)")));
  EXPECT_THAT(written(), HasSubstr(R"("current_bytes":100)"));
}

TEST_F(BuildLogTest, ACharacterThatComesInPiecesIsWrittenWhole) {
  log.write(StepLog{1, 1, "caf\xc3"});
  log.write(StepLog{1, 1, "\xa9\n"});
  EXPECT_THAT(written(), HasSubstr("\"caf\""));
  EXPECT_THAT(written(), HasSubstr("\"\xc3\xa9\\n\""));
}

TEST_F(BuildLogTest, HalfACharacterAtTheEndOfAStepIsNotLost) {
  log.write(StepLog{1, 1, "\xc3"});
  log.write(StepEnded{1, StepOutcome::failed, 5});
  EXPECT_THAT(written(), HasSubstr("step_log"));
}

TEST_F(BuildLogTest, TheTailOfAFailedStepIsItsLastTwentyLines) {
  for (int i = 1; i <= 30; ++i)
    log.write(StepLog{1, 1, fmt::format("line {}\n", i)});
  log.write(StepEnded{1, StepOutcome::failed, 5});
  EXPECT_EQ(log.tail(1).size(), 20U);
  EXPECT_EQ(log.tail(1).front(), "line 11");
  EXPECT_THAT(log.tail(2), ElementsAre());
}

TEST_F(BuildLogTest, StepsAreCounted) {
  log.write(StepEnded{1, StepOutcome::cached, 0});
  log.write(StepEnded{2, StepOutcome::done, 0});
  EXPECT_EQ(log.steps(), 2);
  EXPECT_EQ(log.cached_steps(), 1);
}

}  // namespace
}  // namespace kiln
