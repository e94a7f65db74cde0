#include "builder/os/offload.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>

#include "proto/error.h"
#include "tests/support/run_async.h"

namespace kiln::os {
namespace {

namespace asio = boost::asio;

asio::awaitable<int> fail_on_pool(asio::thread_pool& pool) {
  auto work = []() -> int { throw Error(Errc::corrupt, "digest mismatch"); };
  try {
    co_return co_await offload(pool, work);
  } catch (Error& error) {
    error.add_context("pull alpine");
    throw;
  }
}

TEST(Offload, ExceptionCrossesBackWithContext) {
  asio::thread_pool pool{2};
  try {
    test::run_async(fail_on_pool(pool));
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "pull alpine: digest mismatch");
  }
}

asio::awaitable<bool> there_and_back(asio::thread_pool& pool) {
  const auto home = std::this_thread::get_id();
  auto where = [] { return std::this_thread::get_id(); };
  const auto there = co_await offload(pool, where);
  co_return there != home&& std::this_thread::get_id() == home;
}

TEST(Offload, WorksElsewhereAndResumesAtHome) {
  asio::thread_pool pool{1};
  EXPECT_TRUE(test::run_async(there_and_back(pool)));
}

asio::awaitable<std::unique_ptr<int>> give_moved(asio::thread_pool& pool) {
  auto work = [] { return std::make_unique<int>(7); };
  co_return co_await offload(pool, work);
}

TEST(Offload, AResultThatOnlyMovesComesBack) {
  asio::thread_pool pool{1};
  EXPECT_EQ(*test::run_async(give_moved(pool)), 7);
}

}  // namespace
}  // namespace kiln::os
