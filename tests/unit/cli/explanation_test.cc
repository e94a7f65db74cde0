#include "cli/explanation.h"

#include <gmock/gmock.h>

namespace kiln::cli {
namespace {

using testing::ElementsAre;

std::vector<std::string> lines(Difference difference) {
  return explain({1, MissReason::changed, {std::move(difference)}, 0});
}

TEST(Explanation, EveryReasonHasItsWords) {
  EXPECT_THAT(explain({1, MissReason::first, {}, 0}), ElementsAre("not cached: never built here"));
  EXPECT_THAT(explain({1, MissReason::no_cache, {}, 0}), ElementsAre("not cached: --no-cache"));
  EXPECT_THAT(explain({1, MissReason::gone, {}, 0}),
              ElementsAre("not cached: its record's layers are gone"));
}

TEST(Explanation, EveryDifferenceHasItsWords) {
  using enum DifferenceKind;
  EXPECT_THAT(lines({file, "src/a.c", "content", "", ""}),
              ElementsAre("not cached: src/a.c: content changed"));
  EXPECT_THAT(lines({file, "src/a.c", "added", "", ""}), ElementsAre("not cached: src/a.c: added"));
  EXPECT_THAT(lines({file, "run.sh", "mode", "644", "755"}),
              ElementsAre("not cached: run.sh: mode changed: 644 -> 755"));
  EXPECT_THAT(lines({variable, "V", "", "1", "2"}),
              ElementsAre(R"(not cached: variable V: "1" -> "2")"));
  EXPECT_THAT(lines({variable, "V", "added", "", "2"}),
              ElementsAre(R"(not cached: variable V added: "2")"));
  EXPECT_THAT(lines({variable, "TOKEN", "", "", ""}),
              ElementsAre("not cached: variable TOKEN changed"));
  EXPECT_THAT(lines({command, "", "", "make", "make all"}),
              ElementsAre(R"(not cached: command: "make" -> "make all")"));
  EXPECT_THAT(lines({image, "FROM a", "", "sha256:1", "sha256:2"}),
              ElementsAre("not cached: base image FROM a: sha256:1 -> sha256:2"));
  EXPECT_THAT(lines({step, "[1/2] RUN x", "rebuilt", "", ""}),
              ElementsAre("not cached: step [1/2] RUN x was rebuilt"));
  EXPECT_THAT(lines({setting, "user", "", "a", "b"}),
              ElementsAre(R"(not cached: user: "a" -> "b")"));
}

TEST(Explanation, WhatIsNotListedIsCounted) {
  const StepExplained explained{
      1, MissReason::changed, {{DifferenceKind::file, "a", "added", "", ""}}, 7};
  EXPECT_THAT(explain(explained), ElementsAre("not cached: a: added", "not cached: and 7 more"));
}

TEST(Explanation, NamesAreMadeHarmlessForATerminal) {
  EXPECT_THAT(lines({DifferenceKind::file, "a\x1b[2Jb\n", "added", "", ""}),
              ElementsAre(testing::Not(testing::HasSubstr("\x1b"))));
}

}  // namespace
}  // namespace kiln::cli
