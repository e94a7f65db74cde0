#include "builder/ops/cache_mounts.h"

#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "tests/support/run_async.h"
#include "tests/support/scratch.h"

namespace kiln::ops {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using Sharing = CacheMounts::Sharing;

class CacheMountsTest : public testing::Test {
 public:
  using Body = asio::awaitable<void> (*)(CacheMountsTest&, CacheMounts&);

  /// Runs `body` on the mounts' event loop.
  void run(Body body) { test::run_async(start(body)); }

  CacheMounts::Wish make_wish(Sharing sharing, std::string identity = "id") {
    CacheMounts::Wish wish{"/id", std::move(identity), sharing, {}};
    wish.fill = [this](const fs::path& content, std::stop_token) {
      ++filled;
      fs::create_directory(content);
    };
    return wish;
  }

  store::Store& store() { return store_; }

  std::atomic<int> filled = 0;

 private:
  asio::awaitable<void> start(Body body) {
    CacheMounts mounts(co_await asio::this_coro::executor, store_, pool_);
    co_await body(*this, mounts);
  }

  test::Scratch scratch_;
  store::Store store_{scratch_ / "root"};
  asio::thread_pool pool_{2};
};

asio::awaitable<void> sharing_together(CacheMountsTest& test, CacheMounts& mounts) {
  const auto one = co_await mounts.acquire(test.make_wish(Sharing::shared));
  const auto two = co_await mounts.acquire(test.make_wish(Sharing::shared));
  EXPECT_EQ(one->content(), two->content());
  const auto other = co_await mounts.acquire(test.make_wish(Sharing::shared, "other"));
  EXPECT_NE(one->content(), other->content());
  EXPECT_EQ(test.filled, 2);
}

TEST_F(CacheMountsTest, SharedOnesAreTheSameDirectory) {
  run(sharing_together);
}

asio::awaitable<void> sharing_apart(CacheMountsTest& test, CacheMounts& mounts) {
  auto one = co_await mounts.acquire(test.make_wish(Sharing::isolated));
  const auto two = co_await mounts.acquire(test.make_wish(Sharing::isolated));
  const fs::path first = one->content();
  EXPECT_NE(first, two->content());
  one.reset();
  const auto again = co_await mounts.acquire(test.make_wish(Sharing::isolated));
  EXPECT_EQ(again->content(), first);
  EXPECT_EQ(test.filled, 2);
}

TEST_F(CacheMountsTest, PrivateOnesAreApartAndUsedAgain) {
  run(sharing_apart);
}

asio::awaitable<void> waiting(CacheMountsTest& test, CacheMounts& mounts) {
  using asio::experimental::awaitable_operators::operator||;
  auto one = co_await mounts.acquire(test.make_wish(Sharing::locked));
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(30));
  const auto first = co_await (mounts.acquire(test.make_wish(Sharing::locked)) ||
                               timer.async_wait(asio::use_awaitable));
  EXPECT_EQ(first.index(), 1U) << "a locked cache was given twice";
  const fs::path content = one->content();
  one.reset();
  const auto two = co_await mounts.acquire(test.make_wish(Sharing::locked));
  EXPECT_EQ(two->content(), content);
}

TEST_F(CacheMountsTest, LockedOnesAreWaitedFor) {
  run(waiting);
}

asio::awaitable<void> pruning(CacheMountsTest& test, CacheMounts& mounts) {
  const auto used = co_await mounts.acquire(test.make_wish(Sharing::shared));
  fs::path unused;
  {
    const auto other = co_await mounts.acquire(test.make_wish(Sharing::shared, "other"));
    unused = other->content();
  }
  EXPECT_GT(co_await mounts.prune(), 0U);
  EXPECT_TRUE(fs::exists(used->content()));
  EXPECT_FALSE(fs::exists(unused));
  const auto again = co_await mounts.acquire(test.make_wish(Sharing::shared, "other"));
  EXPECT_TRUE(fs::exists(again->content()));
}

TEST_F(CacheMountsTest, PruningTakesWhatNobodyUses) {
  run(pruning);
}

os::TempDir make_loaded(CacheMountsTest& test, const std::string& file) {
  os::TempDir made = test.store().make_temp("load");
  fs::create_directory(made.path() / "content");
  os::write_file(made.path() / "content" / file, "");
  return made;
}

asio::awaitable<void> placing(CacheMountsTest& test, CacheMounts& mounts) {
  auto old = co_await mounts.acquire(test.make_wish(Sharing::locked));
  const fs::path before = old->content();
  co_await mounts.place("/id", make_loaded(test, "new"));
  {
    // The locked one is retired: nobody waits for it.
    const auto next = co_await mounts.acquire(test.make_wish(Sharing::locked));
    EXPECT_TRUE(fs::exists(next->content() / "new"));
    EXPECT_TRUE(fs::exists(before)) << "its user still has it";
    EXPECT_EQ(mounts.list().size(), 1U);
  }
  old.reset();
  const auto again = co_await mounts.acquire(test.make_wish(Sharing::shared));
  EXPECT_TRUE(fs::exists(again->content() / "new"));
  EXPECT_EQ(test.filled, 1);
}

TEST_F(CacheMountsTest, WhatIsLoadedIsWhatTheNextUserGets) {
  run(placing);
}

asio::awaitable<void> replacing_unused(CacheMountsTest& test, CacheMounts& mounts) {
  co_await mounts.place("/id", make_loaded(test, "first"));
  co_await mounts.place("/id", make_loaded(test, "second"));
  EXPECT_EQ(mounts.list().size(), 1U);
  const auto user = co_await mounts.acquire(test.make_wish(Sharing::shared));
  EXPECT_TRUE(fs::exists(user->content() / "second"));
  EXPECT_EQ(mounts.list().size(), 1U);
}

TEST_F(CacheMountsTest, LoadingTwiceKeepsTheSecond) {
  run(replacing_unused);
}

asio::awaitable<void> holding(CacheMountsTest& test, CacheMounts& mounts) {
  using asio::experimental::awaitable_operators::operator||;
  EXPECT_EQ(co_await mounts.hold("/id", {}), nullptr);
  auto user = co_await mounts.acquire(test.make_wish(Sharing::shared));
  const fs::path content = user->content();
  int told = 0;
  asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::milliseconds(30));
  const auto early = co_await (mounts.hold("/id", [&](int users) { told = users; }) ||
                               timer.async_wait(asio::use_awaitable));
  EXPECT_EQ(early.index(), 1U) << "a cache in use was held";
  EXPECT_EQ(told, 1);
  user.reset();
  auto held = co_await mounts.hold("/id", {});
  EXPECT_EQ(held->content(), content);
  for (const Sharing sharing : {Sharing::shared, Sharing::locked, Sharing::isolated}) {
    timer.expires_after(std::chrono::milliseconds(30));
    const auto user_index = (co_await (mounts.acquire(test.make_wish(sharing)) ||
                                       timer.async_wait(asio::use_awaitable)))
                                .index();
    EXPECT_EQ(user_index, 1U) << "a held cache was given out";
  }
  held.reset();
  const auto again = co_await mounts.acquire(test.make_wish(Sharing::isolated));
  EXPECT_EQ(again->content(), content);
}

TEST_F(CacheMountsTest, AHeldOneWaitsForItsUsersAndTheyForIt) {
  run(holding);
}

asio::awaitable<void> removing(CacheMountsTest& test, CacheMounts& mounts) {
  auto user = co_await mounts.acquire(test.make_wish(Sharing::shared));
  const fs::path content = user->content();
  EXPECT_EQ((co_await mounts.remove("/other")).count, 0U);
  EXPECT_EQ((co_await mounts.remove("/id")).count, 1U);
  EXPECT_TRUE(fs::exists(content));
  EXPECT_TRUE(mounts.list().empty());
  const auto next = co_await mounts.acquire(test.make_wish(Sharing::shared));
  EXPECT_NE(next->content(), content);
}

TEST_F(CacheMountsTest, RemovingLeavesItToItsUsers) {
  run(removing);
}

asio::awaitable<void> failing(CacheMountsTest& test, CacheMounts& mounts) {
  CacheMounts::Wish bad = test.make_wish(Sharing::shared);
  bad.fill = [](const fs::path&, std::stop_token) { throw Error(Errc::not_found, "no seed"); };
  bool failed = false;
  try {
    co_await mounts.acquire(std::move(bad));
  } catch (const Error&) {
    failed = true;
  }
  EXPECT_TRUE(failed);
  const auto good = co_await mounts.acquire(test.make_wish(Sharing::shared));
  EXPECT_TRUE(fs::exists(good->content()));
}

TEST_F(CacheMountsTest, WhatCannotBeMadeIsNotThere) {
  run(failing);
}

}  // namespace
}  // namespace kiln::ops
