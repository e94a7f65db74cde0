#include "registry-client/url.h"

#include <gtest/gtest.h>

#include "proto/error.h"

namespace kiln::registry {
namespace {

TEST(Url, ParsesSchemeHostPortAndTarget) {
  const auto url = Url::parse("http://Example.COM:8080/v2/x?y=1");
  EXPECT_FALSE(url.tls);
  EXPECT_EQ(url.host, "example.com");
  EXPECT_EQ(url.port, 8080);
  EXPECT_EQ(url.target, "/v2/x?y=1");
  EXPECT_EQ(url.authority(), "example.com:8080");
}

TEST(Url, HasTheSchemesPortAndARootByDefault) {
  const auto url = Url::parse("https://example.com");
  EXPECT_TRUE(url.tls);
  EXPECT_EQ(url.port, 443);
  EXPECT_EQ(url.target, "/");
  EXPECT_EQ(url.authority(), "example.com");
}

TEST(Url, WritesIpv6AddressesInBrackets) {
  const auto url = Url::parse("https://[::1]:5000/");
  EXPECT_EQ(url.host, "::1");
  EXPECT_EQ(url.authority(), "[::1]:5000");
}

TEST(Url, DropsUserNamesAndPasswords) {
  EXPECT_EQ(Url::parse("https://user:secret@example.com/x").redacted(), "https://example.com/x");
}

TEST(Url, RefusesWhatIsNotHttp) {
  for (const char* text :
       {"ftp://example.com/", "example.com", "https://", "", "file:///etc/passwd"})
    EXPECT_THROW((void)Url::parse(text), Error) << text;
}

TEST(Url, ResolvesLocations) {
  const struct {
    const char* name;
    const char* reference;
    const char* expected;
    const char* target;
  } cases[] = {
      {"absolute", "http://other/x?a=b", "http://other/x", "/x?a=b"},
      {"path", "/v2/up/1?_state=a==", "https://h:5000/v2/up/1", "/v2/up/1?_state=a=="},
      {"relative", "2?z=1", "https://h:5000/v2/r/blobs/uploads/2", "/v2/r/blobs/uploads/2?z=1"},
      {"other host", "//cdn/x", "https://cdn/x", "/x"},
      {"forbidden characters", "/a b|c\r\n", "https://h:5000/a%20b%7Cc%0D%0A", "/a%20b%7Cc%0D%0A"},
  };
  const auto base = Url::parse("https://h:5000/v2/r/blobs/uploads/");
  for (const auto& c : cases) {
    const auto url = base.resolve(c.reference);
    EXPECT_EQ(url.redacted(), c.expected) << c.name;
    EXPECT_EQ(url.target, c.target) << c.name;
  }
}

TEST(Url, ShowsNoQuery) {
  EXPECT_EQ(Url::parse("https://cdn/x?X-Amz-Signature=secret").redacted(), "https://cdn/x");
}

TEST(Url, AddsToTheQueryThatIsThere) {
  auto url = Url::parse("https://h/u");
  url.add_query("digest", "sha256:ab");
  url.add_query("x", "a b&c");
  EXPECT_EQ(url.target, "/u?digest=sha256%3Aab&x=a%20b%26c");
}

TEST(Url, KnowsLoopbackHosts) {
  for (const char* host :
       {"localhost", "localhost:5000", "127.0.0.1:5000", "127.1.2.3", "[::1]:5000", "::1"})
    EXPECT_TRUE(is_loopback(host)) << host;
  for (const char* host :
       {"localhost.example.com", "128.0.0.1", "registry:5000", "127.0.0.1.nip.io"})
    EXPECT_FALSE(is_loopback(host)) << host;
}

}  // namespace
}  // namespace kiln::registry
