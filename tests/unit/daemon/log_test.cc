#include "daemon/log.h"

#include <gtest/gtest.h>

#include "proto/error.h"

namespace kiln::daemon {
namespace {

TEST(OneLine, MakesControlCharactersVisible) {
  EXPECT_EQ(one_line("a\nb\tc\x1b[31m\x7f\xc3\xbc"), "a\\nb\\tc\\x1b[31m\\x7f\xc3\xbc");
}

TEST(LogLevel, IsReadAndWrittenByItsWord) {
  for (const char* word : {"error", "warn", "info", "debug", "trace"})
    EXPECT_EQ(to_word(parse_log_level(word)), word);
  EXPECT_THROW(static_cast<void>(parse_log_level("verbose")), Error);
}

TEST(Log, WritesLinesOfItsLevelAndAboveWithThePrefix) {
  start_logging(LogLevel::info);
  testing::internal::CaptureStderr();
  const Log log("[r1] ");
  log.debug("unseen");
  log.info("seen {}", 1);
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("info [r1] seen 1\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("unseen"), std::string::npos);
  start_logging(LogLevel::warn);
}

}  // namespace
}  // namespace kiln::daemon
