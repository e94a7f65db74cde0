#include "proto/error.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "builder/os/fd.h"
#include "builder/os/offload.h"
#include "tests/support/run_async.h"

namespace kiln {
namespace {

namespace asio = boost::asio;

TEST(Error, OutermostContextComesFirst) {
  try {
    within("push app:1", [] {
      within("upload layer 2 of 3",
             [] { throw Error(Errc::unavailable, "PUT {}: {}", "/v2/x", 503); });
    });
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "push app:1: upload layer 2 of 3: PUT /v2/x: 503");
    EXPECT_EQ(error.code(), Errc::unavailable);
  }
}

TEST(Error, MissingFileIsNotFound) {
  EXPECT_EQ(system_error(ENOENT, "open /x").code(), Errc::not_found);
  EXPECT_STREQ(system_error(ENOENT, "open /x").what(), "open /x: No such file or directory");
}

asio::awaitable<int> fail_on_pool(asio::thread_pool& pool) {
  auto work = []() -> int { throw Error(Errc::corrupt, "digest mismatch"); };
  try {
    co_return co_await os::offload(pool, work);
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

}  // namespace
}  // namespace kiln
