#include "builder/ops/failed_steps.h"

#include <gtest/gtest.h>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "tests/support/run_async.h"
#include "tests/support/scratch.h"

namespace kiln::ops {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;

constexpr store::LayerId kLayer{42};

class FailedStepsTest : public testing::Test {
 public:
  using Body = asio::awaitable<void> (*)(FailedStepsTest&, FailedSteps&);

  /// Runs `body` on the steps' event loop; their directory is empty afterwards.
  void run(Body body, FailedStepLimits limits = {}) {
    test::run_async(start(body, limits));
    pool_.join();
    EXPECT_TRUE(fs::is_empty(root()));
    EXPECT_FALSE(leases_.holds(kLayer));
  }

  /// A step that has written a file, as the failure of a build.
  asio::awaitable<fs::path> fail(FailedSteps& steps, std::string build, uid_t owner = 0) {
    auto workspace =
        std::make_shared<snapshot::Workspace>(store_.make_temp("run"), std::vector<fs::path>{});
    os::write_file(workspace->root() / "made", "x");
    const auto kept = co_await steps.keep(graph::ExecOp{}, {{kLayer}}, {}, std::move(workspace));
    if (!kept) co_return fs::path();
    steps.add({std::move(build), owner, "RUN false", 1, 0, kept});
    co_return kept->directory();
  }

  [[nodiscard]] fs::path root() const { return store_.root() / "failed"; }
  [[nodiscard]] const store::LeaseTable& leases() const { return leases_; }

 private:
  asio::awaitable<void> start(Body body, FailedStepLimits limits) {
    FailedSteps steps(co_await asio::this_coro::executor, store_, leases_, pool_, limits);
    co_await body(*this, steps);
    steps.close();
  }

  test::Scratch scratch_;
  store::Store store_{scratch_ / "root"};
  store::LeaseTable leases_;
  asio::thread_pool pool_{2};
};

Errc refusal(const FailedSteps& steps, const std::string& build, uid_t uid) {
  try {
    static_cast<void>(steps.find(build, uid));
  } catch (const Error& error) {
    return error.code();
  }
  return Errc::internal;
}

asio::awaitable<void> finding(FailedStepsTest& test, FailedSteps& steps) {
  const fs::path first = co_await test.fail(steps, "aa11", 7);
  const fs::path second = co_await test.fail(steps, "aa22", 0);
  EXPECT_TRUE(fs::exists(first / "upper" / "made"));
  EXPECT_EQ(steps.find("aa2", 0).kept->directory(), second);
  EXPECT_EQ(steps.find("", 0).build_id, "aa22");
  EXPECT_EQ(steps.find("", 7).build_id, "aa11");
  EXPECT_EQ(steps.find("aa", 7).build_id, "aa11") << "others' are not in his way";
  EXPECT_EQ(refusal(steps, "aa", 0), Errc::invalid_input);
  EXPECT_EQ(refusal(steps, "aa2", 7), Errc::denied);
  EXPECT_EQ(refusal(steps, "b", 7), Errc::not_found);
  EXPECT_EQ(refusal(steps, "", 8), Errc::not_found);
}

TEST_F(FailedStepsTest, AreFoundByTheirUserAndByRoot) {
  run(finding);
}

asio::awaitable<void> leasing(FailedStepsTest& test, FailedSteps& steps) {
  const std::int64_t before = test.leases().oldest_ns();
  co_await test.fail(steps, "aa");
  EXPECT_TRUE(test.leases().holds(kLayer));
  EXPECT_EQ(test.leases().oldest_ns(), before) << "what is written later may still be collected";
  steps.remove("aa");
  EXPECT_FALSE(test.leases().holds(kLayer));
}

TEST_F(FailedStepsTest, LeaseTheirLayersAndNothingElse) {
  run(leasing);
}

asio::awaitable<void> limiting(FailedStepsTest& test, FailedSteps& steps) {
  for (const char* build : {"a", "b", "c"})
    co_await test.fail(steps, build);
  EXPECT_EQ(steps.list().size(), 2U);
  EXPECT_EQ(refusal(steps, "a", 0), Errc::not_found);
}

TEST_F(FailedStepsTest, OnlyTheLastStay) {
  run(limiting, {std::chrono::hours(1), 2});
}

asio::awaitable<void> ageing(FailedStepsTest& test, FailedSteps& steps) {
  co_await test.fail(steps, "a");
  const auto used = steps.find("a", 0);
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(1300));
  co_await timer.async_wait(asio::use_awaitable);
  EXPECT_TRUE(steps.list().empty());
  EXPECT_TRUE(fs::exists(used.kept->upper() / "made")) << "somebody is still in it";
}

TEST_F(FailedStepsTest, GoByAge) {
  run(ageing, {std::chrono::seconds(1), 5});
}

asio::awaitable<void> keeping_none(FailedStepsTest& test, FailedSteps& steps) {
  EXPECT_EQ(co_await test.fail(steps, "a"), fs::path());
}

TEST_F(FailedStepsTest, NoneIsKeptWhereTheLimitsSaySo) {
  run(keeping_none, {std::chrono::hours(1), 0});
}

asio::awaitable<void> pruning_failed(FailedStepsTest& test, FailedSteps& steps) {
  co_await test.fail(steps, "a");
  EXPECT_GT(co_await steps.prune(), 0U);
  EXPECT_TRUE(steps.list().empty());
}

TEST_F(FailedStepsTest, PruningTakesAll) {
  run(pruning_failed);
}

}  // namespace
}  // namespace kiln::ops
