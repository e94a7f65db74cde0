#include "daemon/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <optional>
#include <vector>

namespace kiln::daemon {
namespace {

namespace asio = boost::asio;
using testing::ElementsAre;

/// Builds that run until they are told to end.
class AdmissionTest : public testing::Test {
 protected:
  struct Build {
    explicit Build(asio::any_io_executor executor) : group(executor) {}
    os::TaskGroup group;
    std::optional<Admission::Place> place;
  };

  ~AdmissionTest() override {
    for (const auto& build : builds_)
      build->group.cancel();
    turn();
  }

  asio::awaitable<void> enter(Build& build, uid_t uid, int id) {
    build.place.emplace(co_await admission_.enter(uid));
    order_.push_back(id);
  }
  int start(uid_t uid) {
    builds_.push_back(std::make_unique<Build>(io_.get_executor()));
    const int id = static_cast<int>(builds_.size()) - 1;
    builds_.back()->group.spawn(enter(*builds_.back(), uid, id));
    turn();
    return id;
  }
  void end(int id) {
    builds_[static_cast<std::size_t>(id)]->place.reset();
    turn();
  }
  void cancel(int id) {
    builds_[static_cast<std::size_t>(id)]->group.cancel();
    turn();
  }
  void turn() {
    io_.restart();
    io_.poll();
  }

  asio::io_context io_{1};
  Admission admission_{2};
  std::vector<std::unique_ptr<Build>> builds_;
  std::vector<int> order_;
};

TEST_F(AdmissionTest, LetsNoMoreInThanItsLimit) {
  start(1);
  start(1);
  const int third = start(1);
  EXPECT_THAT(order_, ElementsAre(0, 1));
  EXPECT_EQ(admission_.running(), 2);
  EXPECT_EQ(admission_.waiting(), 1U);
  end(0);
  EXPECT_THAT(order_, ElementsAre(0, 1, third));
  EXPECT_EQ(admission_.running(), 2);
}

TEST_F(AdmissionTest, PrefersTheUserWithFewestBuilds) {
  start(1);
  start(1);
  start(1);
  start(1);
  const int other = start(2);
  end(0);
  EXPECT_EQ(order_.back(), other) << "it came last, but its user has nothing running";
}

TEST_F(AdmissionTest, ServesOneUserInTheOrderOfArrival) {
  for (int count = 0; count < 5; ++count)
    start(1);
  end(0);
  end(1);
  end(2);
  EXPECT_THAT(order_, ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(AdmissionTest, ForgetsAWaiterThatIsCancelled) {
  start(1);
  start(1);
  const int gone = start(1);
  const int next = start(1);
  cancel(gone);
  EXPECT_EQ(admission_.waiting(), 1U);
  end(0);
  EXPECT_EQ(order_.back(), next);
  end(1);
  end(next);
  EXPECT_EQ(admission_.running(), 0);
}

}  // namespace
}  // namespace kiln::daemon
