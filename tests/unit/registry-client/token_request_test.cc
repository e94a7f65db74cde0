#include "registry-client/token_request.h"

#include <gtest/gtest.h>

#include "proto/error.h"

namespace kiln::registry {
namespace {

const Challenge kChallenge{"bearer", {{"realm", "https://auth/token?a=b"}, {"service", "the reg"}}};

TEST(TokenRequest, AsksAnonymously) {
  const auto request = token_request(kChallenge, {"repository:a/b:pull"}, std::nullopt);
  EXPECT_EQ(request.method, "GET");
  EXPECT_EQ(request.url.target, "/token?a=b&service=the%20reg&scope=repository%3Aa%2Fb%3Apull");
  EXPECT_FALSE(request.headers.find("Authorization"));
}

TEST(TokenRequest, SendsAPasswordByBasic) {
  const auto request =
      token_request(kChallenge, {"s1", "s2"}, Credentials{"Aladdin", "open sesame", ""});
  EXPECT_EQ(request.url.target, "/token?a=b&service=the%20reg&scope=s1&scope=s2&account=Aladdin");
  EXPECT_EQ(request.headers.find("authorization"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
}

TEST(TokenRequest, PostsARefreshToken) {
  const auto request = token_request(kChallenge, {"s1", "s2"}, Credentials{"", "", "se/cret"});
  EXPECT_EQ(request.method, "POST");
  EXPECT_EQ(request.url.target, "/token?a=b");
  EXPECT_EQ(request.body,
            "grant_type=refresh_token&service=the%20reg&client_id=kiln&scope=s1%20s2"
            "&refresh_token=se%2Fcret");
}

TEST(TokenRequest, RefusesARealmThatIsNoUrl) {
  EXPECT_THROW((void)token_request({"bearer", {{"realm", "nonsense"}}}, {}, std::nullopt), Error);
}

TEST(MergeScopes, KeepsEachOnce) {
  EXPECT_EQ(merge_scopes({"b", "a"}, "c a  d"), (std::vector<std::string>{"a", "b", "c", "d"}));
}

TEST(ParseTokenAnswer, ReadsEitherName) {
  EXPECT_EQ(parse_token_answer(R"({"token":"t"})").token, "t");
  EXPECT_EQ(parse_token_answer(R"({"access_token":"t","expires_in":300})").lifetime,
            std::chrono::seconds(300));
  EXPECT_EQ(parse_token_answer(R"({"token":"t","expires_in":-5})").lifetime,
            std::chrono::seconds(60));
}

TEST(ParseTokenAnswer, RefusesAnythingElse) {
  for (const char* text : {"", "[]", "{}", R"({"token":""})", R"({"token":7})", "{"})
    EXPECT_THROW((void)parse_token_answer(text), Error) << text;
}

TEST(Headers, RefuseControlCharacters) {
  Headers headers;
  EXPECT_THROW(headers.add("Authorization", "Bearer x\r\nEvil: 1"), Error);
}

}  // namespace
}  // namespace kiln::registry
