#include <gtest/gtest.h>

#include "builder/solver/executions.h"

namespace kiln::solver {
namespace {

struct Recorder final : StepListener {
  void log(int /*stream*/, std::string_view text) override { said += text; }
  void progress(std::string_view item, std::uint64_t, std::uint64_t) override { items += item; }
  void explained(const StepExplained& explained) override { reason = explained.reason; }
  std::optional<MissReason> reason;
  std::string said;
  std::string items;
};

TEST(Broadcast, GivesEveryListenerEverything) {
  const auto broadcast = std::make_shared<Broadcast>();
  Recorder first;
  Recorder second;
  const Broadcast::Subscription a(broadcast, first);
  const Broadcast::Subscription b(broadcast, second);
  broadcast->log(1, "one ");
  broadcast->progress("layer", 1, 2);
  EXPECT_EQ(first.said, "one ");
  EXPECT_EQ(second.said, "one ");
  EXPECT_EQ(second.items, "layer");
}

TEST(Broadcast, ReplaysToWhoJoinsLate) {
  const auto broadcast = std::make_shared<Broadcast>();
  broadcast->log(1, "early ");
  Recorder late;
  const Broadcast::Subscription subscription(broadcast, late);
  broadcast->log(2, "now");
  EXPECT_EQ(late.said, "early now");
}

TEST(Broadcast, TellsWhoJoinsLateWhyTheStepRuns) {
  const auto broadcast = std::make_shared<Broadcast>();
  broadcast->explained({0, MissReason::gone, {}, 0});
  Recorder late;
  const Broadcast::Subscription subscription(broadcast, late);
  EXPECT_EQ(late.reason, MissReason::gone);
}

TEST(Broadcast, KeepsABoundedReplay) {
  const auto broadcast = std::make_shared<Broadcast>();
  const std::string piece(64 * 1024, 'x');
  for (int i = 0; i < 64; ++i)
    broadcast->log(1, piece);
  Recorder late;
  const Broadcast::Subscription subscription(broadcast, late);
  EXPECT_LE(late.said.size(), Broadcast::kReplayBytes);
  EXPECT_GE(late.said.size(), Broadcast::kReplayBytes - piece.size());
}

TEST(Broadcast, SaysNothingToWhoHasLeft) {
  const auto broadcast = std::make_shared<Broadcast>();
  Recorder listener;
  {
    const Broadcast::Subscription subscription(broadcast, listener);
  }
  broadcast->log(1, "later");
  EXPECT_EQ(listener.said, "");
}

}  // namespace
}  // namespace kiln::solver
