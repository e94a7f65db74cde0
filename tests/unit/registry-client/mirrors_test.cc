#include <atomic>

#include "tests/unit/registry-client/client_fixture.h"

namespace kiln::registry {
namespace {

using ::testing::HasSubstr;

class Mirrors : public ClientTest {
 protected:
  Mirrors() {
    use_http(mirror_);
    use_http(origin_);
    options_.registries[origin_.host()].mirrors = {mirror_.host() + "/proxy"};
  }
  std::string image() { return origin_.host() + "/a/b:1"; }
  static void add(FakeRegistry& registry, const std::string& repository) {
    registry.add_manifest(repository, "1", kManifestText, std::string(oci::kManifest));
  }

  FakeRegistry mirror_;
  FakeRegistry origin_;
};

TEST_F(Mirrors, AreAskedFirstBelowTheirPrefix) {
  add(mirror_, "proxy/a/b");
  EXPECT_EQ(get_manifest(image()).bytes, kManifestText);
  EXPECT_EQ(mirror_.requests().at(0).target, "/v2/proxy/a/b/manifests/1");
  EXPECT_TRUE(origin_.requests().empty());
}

TEST_F(Mirrors, ThatDoNotHaveItAreFollowedByTheRegistry) {
  add(origin_, "a/b");
  EXPECT_EQ(get_manifest(image()).bytes, kManifestText);
  EXPECT_EQ(mirror_.requests().size(), 1U);
}

TEST_F(Mirrors, ThatAreDownAreFollowedByTheRegistryAtOnce) {
  options_.registries[origin_.host()].mirrors = {"127.0.0.1:1"};
  add(origin_, "a/b");
  EXPECT_EQ(get_manifest(image()).bytes, kManifestText);
  EXPECT_TRUE(pauses_.empty());
}

TEST_F(Mirrors, ThatSendWrongBytesAreFollowedByTheRegistry) {
  const auto text = large_text();
  origin_.add_blob("a/b", text);
  mirror_.intercept([](const FakeRequest&) { return FakeResponse{.body = "wrong"}; });
  EXPECT_EQ(get_blob(origin_.host() + "/a/b", descriptor_of(text)), text);
}

TEST_F(Mirrors, AndTheRegistryAllSayWhyTheyFailed) {
  mirror_.intercept([](const FakeRequest&) { return FakeResponse{.status = 403}; });
  const auto error = error_of([&] { get_manifest(image()); });
  EXPECT_EQ(error.code(), Errc::not_found) << "the registry's own answer";
  EXPECT_THAT(error.what(), HasSubstr("mirror " + mirror_.host() + "/proxy: GET http://"));
  EXPECT_THAT(error.what(), HasSubstr("403 Forbidden"));
  EXPECT_THAT(error.what(), HasSubstr("; " + origin_.host() + ": GET http://"));
  EXPECT_THAT(error.what(), HasSubstr("404 Not Found: manifest unknown"));
}

TEST_F(Mirrors, TakeNoPushes) {
  EXPECT_TRUE(put_blob(origin_.host() + "/a/b", "hello"));
  EXPECT_TRUE(mirror_.requests().empty());
}

}  // namespace
}  // namespace kiln::registry
