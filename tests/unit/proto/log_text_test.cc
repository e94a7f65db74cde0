#include "proto/log_text.h"

#include <gtest/gtest.h>

namespace kiln {
namespace {

TEST(CompleteUtf8Size, LeavesOutACharacterThatIsOnlyBegun) {
  struct Case {
    const char* name;
    std::string text;
    std::size_t size;
  };
  const std::vector<Case> cases = {
      {"empty", "", 0},
      {"ascii", "abc", 3},
      {"two bytes whole", "a\xc3\xbc", 3},
      {"two bytes begun", "a\xc3", 1},
      {"three bytes whole", "\xe2\x82\xac", 3},
      {"three bytes, two there", "a\xe2\x82", 1},
      {"four bytes, three there", "\xf0\x9f\x94", 0},
      {"four bytes whole", "\xf0\x9f\x94\xa5", 4},
      {"stray continuation", "a\x80", 2},
      {"only continuations", "\x80\x80\x80\x80", 4},
      {"never valid", "\xff", 1},
      {"overlong", "\xc0", 1},
  };
  for (const Case& test : cases)
    EXPECT_EQ(complete_utf8_size(test.text), test.size) << test.name;
}

TEST(LogText, KeepsStreamsAndStepsApart) {
  LogText text;
  EXPECT_EQ(text.add({1, 1, "\xc3"}), "");
  EXPECT_EQ(text.add({1, 2, "x"}), "x");
  EXPECT_EQ(text.add({2, 1, "y"}), "y");
  EXPECT_EQ(text.add({1, 1, "\xbcz"}), "\xc3\xbcz");
  EXPECT_TRUE(text.finish(std::nullopt).empty());
}

}  // namespace
}  // namespace kiln
