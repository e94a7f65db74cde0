#include "registry-client/endpoint.h"

#include <gtest/gtest.h>

namespace kiln::registry {
namespace {

TEST(EndpointsFor, DockerHubIsAnotherHostOnTheWire) {
  const auto endpoints = endpoints_for({}, "docker.io");
  ASSERT_EQ(endpoints.size(), 1U);
  EXPECT_EQ(endpoints[0].host, "registry-1.docker.io");
  EXPECT_EQ(endpoints[0].credentials_host, "docker.io");
  EXPECT_EQ(endpoints[0].scheme, Scheme::https);
  EXPECT_FALSE(endpoints[0].mirror);
}

TEST(EndpointsFor, PutsMirrorsFirstWithTheirOwnConfiguration) {
  const RegistryConfig config{
      {"docker.io", {.mirrors = {"127.0.0.1:5000/proxy/", "https://m.example"}}},
      {"127.0.0.1:5000", {.plain_http = true}}};
  const auto endpoints = endpoints_for(config, "docker.io");
  ASSERT_EQ(endpoints.size(), 3U);
  EXPECT_EQ(endpoints[0].host, "127.0.0.1:5000");
  EXPECT_EQ(endpoints[0].prefix, "proxy/");
  EXPECT_EQ(endpoints[0].scheme, Scheme::http);
  EXPECT_EQ(endpoints[0].credentials_host, "127.0.0.1:5000");
  EXPECT_TRUE(endpoints[0].mirror);
  EXPECT_EQ(endpoints[1].host, "m.example");
  EXPECT_EQ(endpoints[1].prefix, "");
  EXPECT_EQ(endpoints[2].host, "registry-1.docker.io");
}

TEST(OriginEndpoint, ProbesLoopbackHostsWithoutAnEntryOnly) {
  EXPECT_EQ(origin_endpoint({}, "localhost:5000").scheme, Scheme::probe);
  EXPECT_EQ(origin_endpoint({}, "registry:5000").scheme, Scheme::https);
  const RegistryConfig config{{"localhost:5000", {}}};
  EXPECT_EQ(origin_endpoint(config, "localhost:5000").scheme, Scheme::https);
}

TEST(TlsSettingsFor, AreTheEntrys) {
  const RegistryConfig config{{"a:5000", {.insecure = true}},
                              {"docker.io", {.ca_files = {"/ca.pem"}}},
                              {"b:443", {.ca_files = {"/b.pem"}}}};
  EXPECT_TRUE(tls_settings_for(config, Url::parse("https://a:5000/")).insecure);
  EXPECT_FALSE(tls_settings_for(config, Url::parse("https://a:5001/")).insecure);
  EXPECT_EQ(tls_settings_for(config, Url::parse("https://registry-1.docker.io/")).ca_files,
            std::vector<std::string>{"/ca.pem"});
  EXPECT_EQ(tls_settings_for(config, Url::parse("https://b/")).ca_files,
            std::vector<std::string>{"/b.pem"});
}

TEST(TlsSettingsFor, DoNotVerifyLoopbackWithoutAnEntry) {
  EXPECT_TRUE(tls_settings_for({}, Url::parse("https://127.0.0.1:5000/")).insecure);
  const RegistryConfig config{{"127.0.0.1:5000", {}}};
  EXPECT_FALSE(tls_settings_for(config, Url::parse("https://127.0.0.1:5000/")).insecure);
}

}  // namespace
}  // namespace kiln::registry
