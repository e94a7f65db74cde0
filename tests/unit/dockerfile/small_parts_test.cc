#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builder/dockerfile/chmod.h"
#include "builder/dockerfile/durations.h"
#include "builder/dockerfile/go_text.h"
#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/ports.h"
#include "builder/dockerfile/signals.h"
#include "builder/dockerfile/suggest.h"
#include "builder/dockerfile/text.h"
#include "builder/dockerfile/timestamps.h"

namespace kiln::dockerfile {
namespace {

using testing::ElementsAre;

TEST(Durations, AreReadAndWrittenAsGoDoes) {
  for (const std::string_view text : {"0s", "1ns", "1.5\xC2\xB5s", "300ms", "1.5s", "30s", "1m30s",
                                      "2h0m0s", "1h1m1.001s", "-5s"})
    EXPECT_EQ(format_duration(parse_duration(text)), text);
  EXPECT_EQ(parse_duration("1.5h"), 5'400'000'000'000);
  EXPECT_EQ(parse_duration("0"), 0);
  for (const std::string_view text : {"", "5", "s", "1x", "1..5s", "-", "999999999h"})
    EXPECT_THROW((void)parse_duration(text), Mistake) << text;
}

TEST(GoText, QuotesAsPercentQ) {
  EXPECT_EQ(quoted("a \"b\" \\ \n\t\x01 é \xFF"), "\"a \\\"b\\\" \\\\ \\n\\t\\x01 é \\xff\"");
  EXPECT_EQ(quoted_list({}), "[]");
  EXPECT_EQ(quoted_list({"a", "b c"}), "[\"a\" \"b c\"]");
  EXPECT_EQ(plain_list({"a", "b"}), "[a b]");
}

TEST(Ports, ReadRangesAndProtocols) {
  EXPECT_THAT(parse_ports("80").ports, ElementsAre("80/tcp"));
  EXPECT_THAT(parse_ports("80-82/udp").ports, ElementsAre("80/udp", "81/udp", "82/udp"));
  EXPECT_EQ(parse_ports("80/TCP").odd_protocol, "TCP");
  EXPECT_TRUE(parse_ports("127.0.0.1:8080:80").is_mapping);
  for (const std::string_view text : {"", "x", "80/foo", "70000", "9-8", "1-2-3", "/tcp", "-1"})
    EXPECT_THROW((void)parse_ports(text), Mistake) << text;
}

TEST(Chmod, IsOctalOrSymbolic) {
  EXPECT_EQ(parse_chmod("755").apply(0644, false), 0755U);
  EXPECT_EQ(parse_chmod("u=rwX,go=rX").apply(0700, true), 0755U);
  for (const std::string_view mode : {"", "8", "10000", "u", "u=z", "z+x", "u+x,,g+x"})
    EXPECT_THROW((void)parse_chmod(mode), Mistake) << mode;
}

TEST(Signals, AreKnownByNameAndNumber) {
  for (const std::string_view good : {"SIGTERM", "term", "9", "-1", "+9", "SIGRTMIN+3", "RTMAX-1"})
    EXPECT_TRUE(is_signal(good)) << good;
  for (const std::string_view bad : {"", "SIGFOO", "0", "-0", "+-1", "RTMIN+99", "9x"})
    EXPECT_FALSE(is_signal(bad)) << bad;
}

TEST(Timestamps, FollowRfc3339) {
  EXPECT_EQ(parse_timestamp("1970-01-01T00:00:01Z"), 1);
  EXPECT_EQ(parse_timestamp("2024-02-29T12:00:00.123456789Z"), 1'709'208'000);
  EXPECT_EQ(parse_timestamp("1970-01-01T02:00:00+02:00"), 0);
  EXPECT_EQ(parse_timestamp("0001-01-01T00:00:00Z"), -62'135'596'800);
  for (const std::string_view bad : {"", "2024", "2023-02-29T00:00:00Z", "2024-01-01T00:00:00",
                                     "2024-01-01T00:00:00.Z", "2024-01-01T25:00:00Z"})
    EXPECT_FALSE(parse_timestamp(bad)) << bad;
}

TEST(Suggest, FindsSlipsOfTheFingerOnly) {
  const std::vector<std::string> words = {"COPY", "CMD", "RUN"};
  EXPECT_EQ(nearest("COPPY", words), "COPY");
  EXPECT_EQ(nearest("copy", words), "COPY");
  EXPECT_EQ(nearest("BANANA", words), "");
  EXPECT_EQ(did_you_mean("RUNN", words), "did you mean RUN?");
}

TEST(Text, CleansPathsAsGoDoes) {
  EXPECT_EQ(clean_path("/a/../../b/./c//"), "/b/c");
  EXPECT_EQ(clean_path("../a/.."), "..");
  EXPECT_EQ(clean_path(""), ".");
  EXPECT_EQ(clean_path("/.."), "/");
}

}  // namespace
}  // namespace kiln::dockerfile
