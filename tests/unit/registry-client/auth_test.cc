#include "registry-client/auth.h"

#include <atomic>
#include <set>

#include "builder/os/task_group.h"
#include "tests/unit/registry-client/client_fixture.h"

namespace kiln::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kAladdin = "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==";

/// A registry that wants a token, and the server that gives it.
class BearerAuth : public ClientTest {
 protected:
  BearerAuth() {
    use_http(registry_);
    registry_.add_manifest("a/b", "1", kManifestText, std::string(oci::kManifest));
    registry_.intercept([this](const FakeRequest& request) { return guard(request); });
    tokens_.intercept([this](const FakeRequest& request) { return give_token(request); });
  }

  std::optional<FakeResponse> guard(const FakeRequest& request) {
    const std::lock_guard lock(mutex_);
    if (valid_.contains(request.header("authorization"))) return std::nullopt;
    return FakeResponse{
        .status = 401,
        .headers = {{"WWW-Authenticate",
                     fmt::format(R"(Bearer realm="{}/token",service="fake",scope="{}")",
                                 tokens_.url(), challenge_scope_)}},
        .body = R"({"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]})"};
  }

  std::optional<FakeResponse> give_token(const FakeRequest& request) {
    const std::lock_guard lock(mutex_);
    if (const auto sent = request.header("authorization"); !sent.empty() && sent != kAladdin) {
      return FakeResponse{.status = 401, .body = R"({"details":"incorrect username or password"})"};
    }
    const auto token = fmt::format("t{}", ++given_);
    if (tokens_work_) valid_.insert("Bearer " + token);
    return FakeResponse{.body = fmt::format(R"({{"token":"{}","expires_in":300}})", token)};
  }

  void revoke_tokens() {
    const std::lock_guard lock(mutex_);
    valid_.clear();
  }

  std::string image() { return registry_.host() + "/a/b:1"; }

  std::mutex mutex_;
  std::set<std::string> valid_;
  int given_ = 0;
  bool tokens_work_ = true;
  std::string challenge_scope_ = "repository:a/b:pull";
  FakeRegistry registry_;
  FakeRegistry tokens_;
};

TEST_F(BearerAuth, FetchesAnAnonymousToken) {
  EXPECT_EQ(get_manifest(image()).bytes, kManifestText);
  const auto asked = tokens_.requests();
  ASSERT_EQ(asked.size(), 1U);
  EXPECT_EQ(asked[0].target, "/token?service=fake&scope=repository%3Aa%2Fb%3Apull");
  EXPECT_EQ(asked[0].header("authorization"), "");
  EXPECT_THAT(asked_hosts_, ElementsAre(registry_.host()));
}

TEST_F(BearerAuth, SendsTheCredentialsToTheTokenServerOnly) {
  credentials_ = Credentials{"Aladdin", "open sesame", ""};
  get_manifest(image());
  EXPECT_EQ(tokens_.requests().at(0).header("authorization"), kAladdin);
  for (const auto& request : registry_.requests())
    EXPECT_THAT(request.header("authorization"), Not(HasSubstr("Basic")));
}

TEST_F(BearerAuth, KeepsTheTokenForLaterRequests) {
  get_manifest(image());
  get_manifest(image());
  EXPECT_EQ(tokens_.requests().size(), 1U);
  EXPECT_EQ(registry_.requests().size(), 3U) << "the second is authorised at once";
}

TEST_F(BearerAuth, ReplacesARevokedTokenOnce) {
  get_manifest(image());
  revoke_tokens();
  EXPECT_EQ(get_manifest(image()).bytes, kManifestText);
  EXPECT_EQ(tokens_.requests().size(), 2U);
}

TEST_F(BearerAuth, GivesNobodyTheTokenOfAnother) {
  credentials_ = Credentials{"Aladdin", "open sesame", ""};
  get_manifest(image());
  credentials_.reset();
  get_manifest(image());
  const auto asked = tokens_.requests();
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_EQ(asked[1].header("authorization"), "");
}

TEST_F(BearerAuth, FetchesOneTokenForManyRequests) {
  get_manifest(image());
  revoke_tokens();
  std::vector<asio::awaitable<void>> tasks;
  const auto text = large_text();
  registry_.add_blob("a/b", text);
  for (int i = 0; i < 6; ++i) {
    tasks.push_back(client().get_blob(Reference::parse(image()), descriptor_of(text),
                                      [] { return std::make_unique<StringSink>(10'000'000); },
                                      provider(), {}));
  }
  run(os::all_of(std::move(tasks)));
  EXPECT_EQ(tokens_.requests().size(), 2U) << "one fetches, the others wait for it";
}

TEST_F(BearerAuth, AsksForThePushAndTheMountedRepositorysScope) {
  put_blob(registry_.host() + "/a/b", "hello", "base/image");
  EXPECT_EQ(tokens_.requests().at(0).target,
            "/token?service=fake&scope=repository%3Aa%2Fb%3Apull"
            "&scope=repository%3Aa%2Fb%3Apull%2Cpush&scope=repository%3Abase%2Fimage%3Apull");
}

TEST_F(BearerAuth, PostsAnIdentityToken) {
  credentials_ = Credentials{"<token>", "refresh-me", ""};
  get_manifest(image());
  const auto asked = tokens_.requests().at(0);
  EXPECT_EQ(asked.method, "POST");
  EXPECT_THAT(asked.body, HasSubstr("refresh_token=refresh-me"));
}

TEST_F(BearerAuth, SaysWhatTheTokenServerSays) {
  credentials_ = Credentials{"Aladdin", "wrong", ""};
  const auto error = error_of([&] { get_manifest(image()); });
  EXPECT_EQ(error.code(), Errc::denied);
  EXPECT_THAT(error.what(), HasSubstr("incorrect username or password"));
  EXPECT_THAT(error.what(), HasSubstr("run `kiln login " + registry_.host() + "`"));
  EXPECT_THAT(error.what(), Not(HasSubstr("wrong")));
  EXPECT_EQ(asked_hosts_.size(), 2U) << "asked again after the refusal, then no more";
}

TEST_F(BearerAuth, StopsWhenTheTokenDoesNotHelp) {
  tokens_work_ = false;
  const auto error = error_of([&] { get_manifest(image()); });
  EXPECT_EQ(error.code(), Errc::denied);
  EXPECT_THAT(error.what(), HasSubstr("authentication required"));
  EXPECT_EQ(tokens_.requests().size(), 1U);
}

TEST_F(BearerAuth, RetriesATokenServerThatIsBusy) {
  std::atomic<int> asked = 0;
  tokens_.intercept([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (asked++ == 0) return FakeResponse{.status = 503};
    return give_token(request);
  });
  EXPECT_EQ(get_manifest(image()).bytes, kManifestText);
  EXPECT_EQ(pauses_.size(), 1U);
}

class BasicAuth : public ClientTest {
 protected:
  BasicAuth() {
    use_http(registry_);
    registry_.add_manifest("a/b", "1", kManifestText, std::string(oci::kManifest));
    registry_.intercept([](const FakeRequest& request) -> std::optional<FakeResponse> {
      if (request.header("authorization") == kAladdin) return std::nullopt;
      return FakeResponse{.status = 401, .headers = {{"WWW-Authenticate", "Basic realm=\"r\""}}};
    });
  }
  std::string image() { return registry_.host() + "/a/b:1"; }
  FakeRegistry registry_;
};

TEST_F(BasicAuth, SendsThePassword) {
  credentials_ = Credentials{"Aladdin", "open sesame", ""};
  EXPECT_EQ(get_manifest(image()).bytes, kManifestText);
  EXPECT_EQ(get_manifest(image()).bytes, kManifestText);
  EXPECT_EQ(registry_.requests().size(), 3U) << "the host is known to want it";
  EXPECT_THAT(asked_hosts_, ElementsAre(registry_.host(), registry_.host()));
}

TEST_F(BasicAuth, WithoutCredentialsIsDenied) {
  const auto error = error_of([&] { get_manifest(image()); });
  EXPECT_EQ(error.code(), Errc::denied);
  EXPECT_EQ(error.status(), 401);
  EXPECT_EQ(registry_.requests().size(), 1U);
}

TEST_F(BasicAuth, AsksAgainWhenThePasswordIsRefused) {
  credentials_ = Credentials{"Aladdin", "old", ""};
  const auto changing = [this](std::string) -> asio::awaitable<std::optional<Credentials>> {
    auto given = credentials_;
    credentials_ = Credentials{"Aladdin", "open sesame", ""};
    co_return given;
  };
  const auto manifest = run(client().get_manifest(Reference::parse(image()), changing));
  EXPECT_EQ(manifest.bytes, kManifestText);
}

}  // namespace
}  // namespace kiln::registry
