#include "registry-client/challenge.h"

#include <gtest/gtest.h>

namespace kiln::registry {
namespace {

TEST(ParseChallenges, ReadsBearerParameters) {
  const auto challenges = parse_challenges(
      R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io",)"
      R"(scope="repository:library/busybox:pull,push")");
  ASSERT_EQ(challenges.size(), 1U);
  EXPECT_EQ(challenges[0].scheme, "bearer");
  EXPECT_EQ(challenges[0].parameter("realm"), "https://auth.docker.io/token");
  EXPECT_EQ(challenges[0].parameter("service"), "registry.docker.io");
  EXPECT_EQ(challenges[0].parameter("scope"), "repository:library/busybox:pull,push");
  EXPECT_EQ(challenges[0].parameter("error"), "");
}

TEST(ParseChallenges, ReadsSeveralInOneValue) {
  const auto challenges = parse_challenges(
      R"(Negotiate abc/d==, BASIC Realm="a \"b\"", Bearer realm=https://x/t , foo=1)");
  ASSERT_EQ(challenges.size(), 3U);
  EXPECT_EQ(challenges[0].scheme, "negotiate");
  EXPECT_EQ(challenges[1].scheme, "basic");
  EXPECT_EQ(challenges[1].parameter("realm"), "a \"b\"");
  EXPECT_EQ(challenges[2].scheme, "bearer");
  EXPECT_EQ(challenges[2].parameter("realm"), "https://x/t");
  EXPECT_EQ(challenges[2].parameter("foo"), "1");
}

TEST(ParseChallenges, SurvivesNonsense) {
  EXPECT_TRUE(parse_challenges("").empty());
  EXPECT_TRUE(parse_challenges("=,;").empty());
  EXPECT_TRUE(parse_challenges("realm=\"no scheme\"").empty());
  const auto unterminated = parse_challenges(R"(Basic realm="never ends\)");
  ASSERT_EQ(unterminated.size(), 1U);
  EXPECT_EQ(unterminated[0].parameter("realm"), "never ends\\");
}

}  // namespace
}  // namespace kiln::registry
