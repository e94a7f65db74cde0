#include "registry-client/manifests.h"

#include "tests/unit/registry-client/client_fixture.h"

namespace kiln::registry {
namespace {

using ::testing::HasSubstr;

class Manifests : public ClientTest {
 protected:
  Manifests() { use_http(registry_); }

  /// Answers every manifest request like this.
  void answer(FakeResponse response) {
    registry_.intercept([response](const FakeRequest&) { return response; });
  }

  FakeRegistry registry_;
};

TEST_F(Manifests, AreFoundByTagAndByDigest) {
  const auto digest =
      registry_.add_manifest("a/b", "1.0", kManifestText, std::string(oci::kManifest));
  const auto by_tag = get_manifest(registry_.host() + "/a/b:1.0");
  EXPECT_EQ(by_tag.bytes, kManifestText);
  EXPECT_EQ(by_tag.media_type, oci::kManifest);
  EXPECT_EQ(by_tag.digest, digest);
  EXPECT_EQ(get_manifest(registry_.host() + "/a/b@" + digest.str()).bytes, kManifestText);
  EXPECT_TRUE(asked_hosts_.empty()) << "an open registry needs no credentials";
}

TEST_F(Manifests, AreAskedForInAllFourForms) {
  registry_.add_manifest("a/b", "1", kManifestText, std::string(oci::kManifest));
  get_manifest(registry_.host() + "/a/b:1");
  std::vector<std::string> accepted;
  const auto request = registry_.requests().at(0);
  const auto [begin, end] = request.headers.equal_range("accept");
  for (auto field = begin; field != end; ++field)
    accepted.push_back(field->second);
  EXPECT_THAT(accepted,
              ::testing::UnorderedElementsAre(oci::kManifest, oci::kIndex, oci::kDockerManifest,
                                              oci::kDockerManifestList));
  EXPECT_EQ(request.header("user-agent"), "kiln");
}

TEST_F(Manifests, SayTheirOwnTypeWhenTheServerDoesNot) {
  answer({.headers = {{"Content-Type", "application/json; charset=utf-8"}}, .body = kManifestText});
  EXPECT_EQ(get_manifest(registry_.host() + "/a/b:1").media_type, oci::kManifest);
}

TEST_F(Manifests, OfAnotherDigestThanTheReferencesAreCorrupt) {
  answer({.headers = {{"Content-Type", std::string(oci::kManifest)}}, .body = kManifestText});
  const auto wanted = sha256("something else").str();
  const auto error = error_of([&] { get_manifest(registry_.host() + "/a/b@" + wanted); });
  EXPECT_EQ(error.code(), Errc::corrupt);
  EXPECT_THAT(error.what(), HasSubstr(wanted));
  EXPECT_EQ(registry_.requests().size(), 2U) << "one more chance";
}

TEST_F(Manifests, OfAnotherDigestThanTheServersAreCorrupt) {
  answer({.headers = {{"Content-Type", std::string(oci::kManifest)},
                      {"Docker-Content-Digest", sha256("other").str()}},
          .body = kManifestText});
  EXPECT_EQ(error_of([&] { get_manifest(registry_.host() + "/a/b:1"); }).code(), Errc::corrupt);
}

TEST_F(Manifests, LargerThanTheLimitAreNotRead) {
  answer({.headers = {{"Content-Type", std::string(oci::kManifest)}},
          .body = std::string(oci::kMaxDocumentBytes + 1, ' '),
          .chunked = true});
  const auto error = error_of([&] { get_manifest(registry_.host() + "/a/b:1"); });
  EXPECT_EQ(error.code(), Errc::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("larger than"));
}

TEST_F(Manifests, ThatDoNotExistAreNotFoundInTheRegistrysWords) {
  const auto error = error_of([&] { get_manifest(registry_.host() + "/a/b:nope"); });
  EXPECT_EQ(error.code(), Errc::not_found);
  EXPECT_EQ(error.status(), 404);
  EXPECT_THAT(error.what(), HasSubstr("GET http://" + registry_.host() + "/v2/a/b/manifests/nope"));
  EXPECT_THAT(error.what(), HasSubstr("manifest unknown (MANIFEST_UNKNOWN)"));
  EXPECT_TRUE(pauses_.empty()) << "waiting would not help";
}

TEST_F(Manifests, OfSchemaOneAreRefusedByName) {
  answer(
      {.headers = {{"Content-Type", "application/vnd.docker.distribution.manifest.v1+prettyjws"}},
       .body = "{}"});
  EXPECT_THAT(error_of([&] { get_manifest(registry_.host() + "/a/b:1"); }).what(),
              HasSubstr("schema 1"));
}

TEST_F(Manifests, AreStoredByTag) {
  run(client().put_manifest(Reference::parse(registry_.host() + "/a/b:2"), kManifestText,
                            std::string(oci::kManifest), provider()));
  EXPECT_EQ(registry_.manifest("a/b", "2"), kManifestText);
  EXPECT_EQ(registry_.requests().back().header("content-type"), oci::kManifest);
}

TEST_F(Manifests, WithoutATagAreStoredByDigest) {
  auto reference = Reference::parse(registry_.host() + "/a/b");
  run(client().put_manifest(reference, kManifestText, std::string(oci::kManifest), provider()));
  EXPECT_EQ(registry_.requests().back().target, "/v2/a/b/manifests/" + sha256(kManifestText).str());
}

TEST_F(Manifests, StoredAsSomethingElseAreCorrupt) {
  answer({.status = 201, .headers = {{"Docker-Content-Digest", sha256("other").str()}}});
  EXPECT_EQ(error_of([&] {
              run(client().put_manifest(Reference::parse(registry_.host() + "/a/b:2"),
                                        kManifestText, std::string(oci::kManifest), provider()));
            }).code(),
            Errc::corrupt);
}

TEST_F(Manifests, ThatTheRegistryRefusesSayWhy) {
  answer({.status = 400,
          .body = R"({"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown"}]})"});
  const auto error = error_of([&] {
    run(client().put_manifest(Reference::parse(registry_.host() + "/a/b:2"), kManifestText,
                              std::string(oci::kManifest), provider()));
  });
  EXPECT_EQ(error.code(), Errc::invalid_input);
  EXPECT_THAT(error.what(), HasSubstr("PUT http://"));
  EXPECT_THAT(error.what(), HasSubstr("blob unknown (MANIFEST_BLOB_UNKNOWN)"));
}

}  // namespace
}  // namespace kiln::registry
