#include "cli/amounts.h"

#include <gtest/gtest.h>

#include "cli/errors.h"

namespace kiln::cli {
namespace {

TEST(Amounts, SizesAreReadWithDecimalAndBinaryUnits) {
  EXPECT_EQ(parse_bytes("--keep-bytes", "4096"), 4096U);
  EXPECT_EQ(parse_bytes("--keep-bytes", "500MB"), 500'000'000U);
  EXPECT_EQ(parse_bytes("--keep-bytes", "10g"), 10'000'000'000U);
  EXPECT_EQ(parse_bytes("--keep-bytes", "10GiB"), 10ULL << 30U);
  EXPECT_EQ(parse_bytes("--keep-bytes", "7B"), 7U);
}

TEST(Amounts, WhatIsNoSizeIsRefusedWithTheFlag) {
  for (const char* text : {"", "0", "-1", "GB", "1.5GB", "10XB", "99999999999GB", "1 GB"}) {
    try {
      (void)parse_bytes("--keep-bytes", text);
      ADD_FAILURE() << text;
    } catch (const UsageError& error) {
      EXPECT_NE(std::string(error.what()).find("--keep-bytes"), std::string::npos);
    }
  }
}

TEST(Amounts, AgesAreReadInPartsAsGoWritesThem) {
  using std::chrono::seconds;
  EXPECT_EQ(parse_age("--older-than", "14d"), seconds(14 * 86'400));
  EXPECT_EQ(parse_age("--older-than", "2w"), seconds(14 * 86'400));
  EXPECT_EQ(parse_age("--older-than", "1h30m"), seconds(5'400));
  EXPECT_EQ(parse_age("--older-than", "90s"), seconds(90));
}

TEST(Amounts, WhatIsNoAgeIsRefused) {
  for (const char* text : {"", "0d", "14", "d", "1y", "1h30", "-1h", "99999999999999999999d"})
    EXPECT_THROW((void)parse_age("--older-than", text), UsageError) << text;
}

}  // namespace
}  // namespace kiln::cli
