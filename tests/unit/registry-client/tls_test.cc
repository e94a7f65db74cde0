#include "registry-client/tls.h"

#include <fstream>

#include "tests/unit/registry-client/client_fixture.h"

namespace kiln::registry {
namespace {

using ::testing::HasSubstr;

class Tls : public ClientTest {
 protected:
  Tls() : ca_file_(::testing::TempDir() + "fake_registry_ca.pem") {
    std::ofstream(ca_file_) << registry_.certificate();
    registry_.add_manifest("a/b", "1", kManifestText, std::string(oci::kManifest));
  }
  HostConfig& entry() { return options_.registries[registry_.host()]; }
  std::string image() { return registry_.host() + "/a/b:1"; }

  std::string ca_file_;
  FakeRegistry registry_{FakeRegistry::Speaks::tls};
};

TEST_F(Tls, TrustsAConfiguredAuthority) {
  entry().ca_files = {ca_file_};
  EXPECT_EQ(get_manifest(image()).bytes, kManifestText);
  EXPECT_EQ(get_manifest(image()).bytes, kManifestText);
  EXPECT_EQ(registry_.connections(), 1);
}

TEST_F(Tls, MovesLargeBlobsBothWays) {
  entry().ca_files = {ca_file_};
  const auto text = large_text();
  EXPECT_TRUE(put_blob(registry_.host() + "/a/b", text));
  EXPECT_EQ(get_blob(registry_.host() + "/a/b", descriptor_of(text)), text);
}

TEST_F(Tls, RefusesAnUnknownAuthority) {
  entry();
  const auto error = error_of([&] { get_manifest(image()); });
  EXPECT_EQ(error.code(), Errc::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("TLS certificate: self-signed certificate"));
  EXPECT_THAT(error.what(), HasSubstr("name its authority: `ca = "));
  EXPECT_TRUE(pauses_.empty());
  EXPECT_TRUE(registry_.requests().empty());
}

TEST_F(Tls, RefusesACertificateForAnotherHost) {
  const auto other = "localhost" + registry_.host().substr(registry_.host().find(':'));
  options_.registries[other].ca_files = {ca_file_};
  const auto error = error_of([&] { get_manifest(other + "/a/b:1"); });
  EXPECT_THAT(error.what(), HasSubstr("TLS certificate: hostname mismatch"));
}

TEST_F(Tls, AsksNothingWhenInsecure) {
  entry().insecure = true;
  EXPECT_EQ(get_manifest(image()).bytes, kManifestText);
}

TEST_F(Tls, IsTriedFirstOnLoopback) {
  EXPECT_EQ(get_manifest(image()).bytes, kManifestText);
}

TEST_F(Tls, NamesAnAuthorityFileThatCannotBeRead) {
  entry().ca_files = {"/nonexistent/ca.pem"};
  const auto error = error_of([&] { get_manifest(image()); });
  EXPECT_EQ(error.code(), Errc::invalid_input);
  EXPECT_THAT(error.what(), HasSubstr("/nonexistent/ca.pem"));
}

TEST_F(Tls, TellsThatTheServerSpeaksPlainHttp) {
  FakeRegistry plain;
  options_.registries[plain.host()];
  EXPECT_THAT(error_of([&] { get_manifest(plain.host() + "/a/b:1"); }).what(),
              HasSubstr("set `http = true` under [registry.\"" + plain.host() + "\"]"));
}

TEST_F(Tls, IsNotLeftByARedirect) {
  FakeRegistry plain;
  entry().insecure = true;
  registry_.intercept([&](const FakeRequest&) {
    return FakeResponse{.status = 302, .headers = {{"Location", plain.url() + "/v2/a/b"}}};
  });
  const auto error = error_of([&] { get_manifest(image()); });
  EXPECT_EQ(error.code(), Errc::denied);
  EXPECT_THAT(error.what(), HasSubstr("from https to http is not followed"));
  EXPECT_EQ(plain.connections(), 0);
}

TEST_F(Tls, IsKeptWhenTheRegistryThinksItIsAskedByHttp) {
  entry().insecure = true;
  registry_.intercept([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.method != "POST") return std::nullopt;
    return FakeResponse{
        .status = 202,
        .headers = {{"Location", "http://" + registry_.host() + "/v2/a/b/blobs/uploads/7"}}};
  });
  EXPECT_TRUE(put_blob(registry_.host() + "/a/b", "hello"));
  EXPECT_EQ(registry_.blob("a/b", sha256("hello")), "hello");
}

}  // namespace
}  // namespace kiln::registry
