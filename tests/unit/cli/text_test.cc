#include "cli/text.h"

#include <gtest/gtest.h>

namespace kiln::cli {
namespace {

TEST(Sanitize, TakesEscapeSequencesOutAndKeepsTheText) {
  EXPECT_EQ(sanitize("a\x1b[2Jb"), "ab");
  EXPECT_EQ(sanitize("a\x1b]0;title\x07"
                     "b"),
            "ab");
  EXPECT_EQ(sanitize("a\x1b]8;;http://x\x1b\\b"), "ab");
  EXPECT_EQ(sanitize("a\x1bPq payload\x1b\\b"), "ab");
  EXPECT_EQ(sanitize("a\x1b(Bb"), "ab");
  EXPECT_EQ(sanitize("a\x1b"
                     "cb"),
            "ab");
}

TEST(Sanitize, TakesUnfinishedSequencesOut) {
  EXPECT_EQ(sanitize("a\x1b"), "a");
  EXPECT_EQ(sanitize("a\x1b[12;3"), "a");
  EXPECT_EQ(sanitize("a\x1b]0;never ends"), "a");
}

TEST(Sanitize, TakesControlAndDirectionCharactersOut) {
  EXPECT_EQ(sanitize(std::string_view("a\0b\rc\bd\x7f"
                                      "e",
                                      9)),
            "abcde");
  EXPECT_EQ(sanitize("a\u009b2Jb"), "a2Jb");
  EXPECT_EQ(sanitize("a\u202eb"), "ab");
}

TEST(Sanitize, ReplacesInvalidUtf8) {
  EXPECT_EQ(sanitize("a\xff"
                     "b"),
            "a\uFFFDb");
  EXPECT_EQ(sanitize("a\x9b"
                     "2J"),
            "a\uFFFD2J");
  EXPECT_EQ(sanitize("\xc0\xaf"), "\uFFFD\uFFFD");
  EXPECT_EQ(sanitize("\xe2\x82"), "\uFFFD\uFFFD");
  EXPECT_EQ(sanitize("gr\u00fc\u00df \u4f60 \U0001F600"), "gr\u00fc\u00df \u4f60 \U0001F600");
}

TEST(Sanitize, KeepsOnlyColoursAndEndsThem) {
  EXPECT_EQ(sanitize("\x1b[31mred\x1b[2J", Colours::keep), "\x1b[31mred\x1b[0m");
  EXPECT_EQ(sanitize("\x1b[?25mx", Colours::keep), "x");
  EXPECT_EQ(sanitize("\x1b[31mred"), "red");
}

TEST(DisplayWidth, CountsColumnsNotBytes) {
  EXPECT_EQ(display_width("abc"), 3U);
  EXPECT_EQ(display_width("gr\u00fc\u00df"), 4U);
  EXPECT_EQ(display_width("\u4f60\u597d"), 4U);
  EXPECT_EQ(display_width("e\u0301"), 1U);
}

TEST(Clip, NeverCutsACharacter) {
  EXPECT_EQ(clip("abcdef", 3), "abc");
  EXPECT_EQ(clip("\u4f60\u597d", 3), "\u4f60");
  EXPECT_EQ(clip("ab", 5), "ab");
}

TEST(HumanBytes, HasThreeDigits) {
  EXPECT_EQ(human_bytes(0), "0B");
  EXPECT_EQ(human_bytes(999), "999B");
  EXPECT_EQ(human_bytes(1000), "1.00kB");
  EXPECT_EQ(human_bytes(12'345'678), "12.3MB");
  EXPECT_EQ(human_bytes(999'600), "1.00MB");
  EXPECT_EQ(human_bytes(123'456'789'012), "123GB");
}

TEST(HumanAge, SaysTheLargestWholeUnit) {
  constexpr std::int64_t kNow = 1'700'000'000;  // 2023-11-14T22:13:20Z
  EXPECT_EQ(human_age("2023-11-14T22:13:00Z", kNow), "20 seconds ago");
  EXPECT_EQ(human_age("2023-11-14T21:13:20.123Z", kNow), "1 hour ago");
  EXPECT_EQ(human_age("1980-01-01T00:00:00Z", kNow), "43 years ago");
  EXPECT_EQ(human_age("", kNow), "");
}

TEST(LineBuffer, PutsLinesTogetherThatWereCutAnywhere) {
  LineBuffer buffer;
  EXPECT_TRUE(buffer.add("one\r").empty());
  EXPECT_EQ(buffer.add("\ntwo\nthr"), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(buffer.take_rest(), "thr");
  EXPECT_EQ(buffer.take_rest(), "");
}

}  // namespace
}  // namespace kiln::cli
