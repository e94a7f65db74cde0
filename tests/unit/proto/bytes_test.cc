#include "proto/bytes.h"

#include <gtest/gtest.h>

#include "proto/error.h"

namespace kiln {
namespace {

TEST(StringSink, TakesExactlyItsLimit) {
  StringSink sink(5);
  sink.write(as_bytes("abc"));
  sink.write(as_bytes("de"));
  EXPECT_THROW(sink.write(as_bytes("f")), Error);
  EXPECT_EQ(sink.take(), "abcde");
}

TEST(TeeSink, GivesEverythingToBoth) {
  StringSink first(100);
  StringSink second(100);
  TeeSink tee(first, second);
  tee.write(as_bytes("a"));
  tee.write(as_bytes("b"));
  EXPECT_EQ(first.text(), "ab");
  EXPECT_EQ(second.text(), "ab");
}

TEST(CountingSink, CountsWhatPasses) {
  StringSink text(100);
  CountingSink counting(text);
  counting.write(as_bytes("abc"));
  counting.write(as_bytes(""));
  counting.write(as_bytes("d"));
  EXPECT_EQ(counting.count_bytes(), 4U);
  EXPECT_EQ(text.text(), "abcd");
}

TEST(Copy, MovesAllAndCounts) {
  const std::string long_text(1'000'000, 'x');
  BytesSource source(as_bytes(long_text));
  StringSink sink(2'000'000);
  EXPECT_EQ(copy(source, sink), long_text.size());
  EXPECT_EQ(sink.text(), long_text);
}

TEST(BytesSource, EndsWithZero) {
  BytesSource source(as_bytes("abc"));
  std::byte buffer[2];
  EXPECT_EQ(source.read(buffer), 2U);
  EXPECT_EQ(source.read(buffer), 1U);
  EXPECT_EQ(source.read(buffer), 0U);
  EXPECT_EQ(source.read(buffer), 0U);
}

}  // namespace
}  // namespace kiln
