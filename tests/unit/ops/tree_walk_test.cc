#include "builder/ops/tree_walk.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <future>

#include "builder/graph/pattern.h"
#include "tests/support/scratch.h"

namespace kiln::ops {
namespace {

using Paths = std::vector<std::string>;

class TreeWalkTest : public testing::Test {
 protected:
  /// What is selected of the whole tree, by one thread or by several.
  Paths select(boost::asio::thread_pool* helpers,
               const std::vector<std::string>& ignore = {},
               os::Peer peer = {}) {
    const os::Dir root = os::Dir::open(scratch_.path());
    const graph::PatternList patterns(ignore);
    const Exclusion exclusion{
        [&](std::string_view path) { return patterns.excludes(path); },
        [&](std::string_view path) { return patterns.excludes_subtree(path); }};
    Paths paths;
    for (const SelectedSource& found :
         select_source({&root, std::move(peer), "the context"}, "", {}, exclusion, {}, helpers)) {
      for (const TreeEntry& entry : found.entries)
        paths.push_back(entry.path);
    }
    return paths;
  }
  Paths select_by_several(const std::vector<std::string>& ignore = {}, os::Peer peer = {}) {
    return select(&pool_, ignore, std::move(peer));
  }

  test::Scratch scratch_;
  boost::asio::thread_pool pool_{4};
};

TEST_F(TreeWalkTest, ALargeDirectoryIsListedInOrder) {
  Paths expected{""};
  for (int i = 0; i < 3000; ++i) {
    expected.push_back(fmt::format("f{:05}", i));
    scratch_.write(expected.back(), "");
    if (i % 100 != 50) continue;
    for (const char* below : {"", "/x", "/x/y"}) {
      expected.push_back(fmt::format("f{:05}d{}", i, below));
      if (std::string_view(below) == "/x/y") scratch_.write(expected.back(), "");
    }
  }
  EXPECT_EQ(select(nullptr), expected);
  for (int i = 0; i < 20; ++i)
    ASSERT_EQ(select_by_several(), expected);
}

TEST_F(TreeWalkTest, ManyDirectoriesAreListedInOrder) {
  for (int i = 0; i < 2000; ++i)
    scratch_.write(fmt::format("d{}/e{}/f{}", i % 40, i % 7, i), "");
  const Paths expected = select(nullptr);
  EXPECT_EQ(expected.size(), 1U + 40 + 280 + 2000);
  for (int i = 0; i < 20; ++i)
    ASSERT_EQ(select_by_several(), expected);
}

TEST_F(TreeWalkTest, ADirectoryThatIsLeftOutStaysForWhatIsTakenInAgain) {
  for (int i = 0; i < 700; ++i)
    scratch_.write(fmt::format("out{}/{}", i, i % 10 == 0 ? "keep" : "drop"), "");
  const std::vector<std::string> ignore{"out*", "!**/keep"};
  const Paths expected = select(nullptr, ignore);
  EXPECT_EQ(expected.size(), 1U + 70 + 70);
  EXPECT_EQ(select_by_several(ignore), expected);
}

TEST_F(TreeWalkTest, OfSeveralFailuresTheFirstInOrderIsTold) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root acts for others";
  ::chmod(scratch_.path().c_str(), 0755);
  for (int i = 0; i < 700; ++i)
    scratch_.write(fmt::format("d{:03}/f", i), "");
  for (const char* closed : {"d123", "d124", "d500", "d699"})
    ::chmod((scratch_ / closed).c_str(), 0700);
  for (int i = 0; i < 20; ++i) {
    try {
      select_by_several({}, {65534, 65534, {}});
      FAIL() << "listed what the peer may not";
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), Errc::denied);
      ASSERT_STREQ(error.what(), "list \"d123\" in the context: Permission denied");
    }
  }
}

TEST_F(TreeWalkTest, HelpersWhoComeTooLateFindNothingToDo) {
  for (int i = 0; i < 1000; ++i)
    scratch_.write(fmt::format("d{}/f{}", i % 10, i), "");
  boost::asio::thread_pool nobody{1};
  std::promise<void> gate;
  boost::asio::post(nobody, [opened = gate.get_future().share()] { opened.wait(); });
  EXPECT_EQ(select(&nobody).size(), 1U + 10 + 1000);
  gate.set_value();
  nobody.join();
}

}  // namespace
}  // namespace kiln::ops
