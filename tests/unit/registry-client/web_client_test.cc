#include "registry-client/web_client.h"

#include "tests/unit/registry-client/client_fixture.h"

namespace kiln::registry {
namespace {

using ::testing::HasSubstr;

class WebClientTest : public ClientTest {
 protected:
  WebAnswer get(const std::string& url, Headers headers = {}) {
    if (!web_) {
      options_.sleep = [](std::chrono::milliseconds) -> asio::awaitable<void> { co_return; };
      web_ = std::make_unique<WebClient>(pool_, options_);
    }
    const OpenBody open = [this](const WebAnswer&) -> std::unique_ptr<Sink> {
      body_.clear();
      if (!wanted_) return nullptr;
      return std::make_unique<StringRefSink>(body_);
    };
    return run(web_->get({url, std::move(headers)}, open,
                         [this](std::uint64_t, std::uint64_t total) { total_ = total; }));
  }

  void answer(FakeResponse response) {
    server_.intercept([response](const FakeRequest&) { return response; });
  }

  FakeRegistry server_;
  std::unique_ptr<WebClient> web_;
  std::string body_;
  std::uint64_t total_ = 0;
  bool wanted_ = true;
};

TEST_F(WebClientTest, GivesTheBodyToTheSink) {
  answer({.headers = {{"ETag", "\"x\""}}, .body = large_text()});
  const WebAnswer answer = get(server_.url() + "/file");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.find("etag"), "\"x\"");
  EXPECT_EQ(body_, large_text());
  EXPECT_EQ(total_, large_text().size());
}

TEST_F(WebClientTest, LeavesABodyThatNobodyWants) {
  answer({.body = large_text()});
  wanted_ = false;
  EXPECT_EQ(get(server_.url() + "/file").status, 200);
  EXPECT_EQ(body_, "");
}

TEST_F(WebClientTest, ReturnsNotModified) {
  answer({.status = 304});
  EXPECT_EQ(get(server_.url() + "/file", {{"If-None-Match", "\"x\""}}).status, 304);
  EXPECT_EQ(server_.requests().at(0).header("if-none-match"), "\"x\"");
}

TEST_F(WebClientTest, SendsThePasswordOfTheUrlToItsOwnHostOnly) {
  FakeRegistry far;
  far.intercept([](const FakeRequest&) { return FakeResponse{.body = "far"}; });
  answer({.status = 302, .headers = {{"Location", far.url() + "/real"}}});
  get("http://me:a%20b@" + server_.host() + "/file");
  EXPECT_EQ(server_.requests().at(0).header("authorization"), "Basic bWU6YSBi");
  EXPECT_EQ(far.requests().at(0).header("authorization"), "");
  EXPECT_EQ(body_, "far");
}

TEST_F(WebClientTest, StopsInACircleOfRedirects) {
  answer({.status = 302, .headers = {{"Location", "/circle"}}});
  EXPECT_THAT(error_of([&] { get(server_.url() + "/circle"); }).what(),
              HasSubstr("too many redirects"));
  EXPECT_EQ(server_.requests().size(), 11U);
}

TEST_F(WebClientTest, NamesTheStatusWithoutAdviceAboutRegistries) {
  answer({.status = 401, .body = "no\n"});
  const RegistryError error = error_of([&] { get(server_.url() + "/file?secret=1"); });
  EXPECT_EQ(error.status(), 401);
  EXPECT_EQ(std::string(error.what()), "GET " + server_.url() + "/file: 401 Unauthorized: no");
}

TEST_F(WebClientTest, BeginsAnewAfterABodyThatWasCutOff) {
  int asked = 0;
  server_.intercept([&asked](const FakeRequest&) {
    FakeResponse response{.body = "whole"};
    if (asked++ == 0) response.declared_size = 100;
    return response;
  });
  get(server_.url() + "/file");
  EXPECT_EQ(body_, "whole");
  EXPECT_EQ(asked, 2);
}

TEST_F(WebClientTest, TrustsNoUnknownCertificateOnLoopback) {
  FakeRegistry server(FakeRegistry::Speaks::tls);
  EXPECT_THAT(error_of([&] { get(server.url() + "/file"); }).what(), HasSubstr("certificate"));
}

TEST(HttpDate, IsReadInAllItsForms) {
  const auto moment = std::chrono::system_clock::from_time_t(784111777);
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), moment);
  EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT"), moment);
  EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994"), moment);
  EXPECT_EQ(parse_http_date("yesterday"), std::nullopt);
}

}  // namespace
}  // namespace kiln::registry
