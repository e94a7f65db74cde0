#include "registry-client/registry_error.h"

#include <gtest/gtest.h>

#include "registry-client/retry.h"

namespace kiln::registry {
namespace {

using Stage = ConnectError::Stage;

const Asked kAsked{"GET", Url::parse("https://registry-1.docker.io/v2/x/manifests/1?sig=secret"),
                   "docker.io", false};

RegistryError error_for(int status, std::string_view body, Headers headers = {}) {
  try {
    throw_status(kAsked, {status, std::move(headers)}, body);
  } catch (const RegistryError& error) {
    return error;
  }
}

TEST(ServerWords, AreTheRegistrysErrorList) {
  EXPECT_EQ(server_words(R"({"errors":[{"code":"DENIED","message":"no","detail":{"a":1}},)"
                         R"({"code":"UNKNOWN"},{"message":"only words"},7]})"),
            "no (DENIED); UNKNOWN; only words");
}

TEST(ServerWords, AreWhatTokenServersSay) {
  EXPECT_EQ(server_words(R"({"details":"incorrect username or password"})"),
            "incorrect username or password");
  EXPECT_EQ(server_words(R"({"error":"invalid_grant","error_description":"expired"})"), "expired");
}

TEST(ServerWords, AreOneShortPrintableLine) {
  EXPECT_EQ(server_words("too\nmany\x1b[31m requests\r\n"), "too many [31m requests");
  EXPECT_EQ(server_words("{\"errors\":[{\"message\":\"a\\u001b[2Jb\\u009bc\"}]}"), "a [2Jbc");
  EXPECT_LT(server_words(std::string(5000, 'x')).size(), 500U);
  std::string umlauts = R"({"errors":[{"message":")";
  for (int i = 0; i < 500; ++i)
    umlauts += "\u00e4";
  const auto cut = server_words(umlauts + "\"}]}");
  EXPECT_EQ(cut.size() % 2, 1U) << "no half of a character before the three dots";
}

TEST(ServerWords, LeaveOutWhatExplainsNothing) {
  for (const char* body :
       {"", "  ", "<html>502</html>", "\xff\xfe\x01", "{}", "[]", "{\"errors\":7}"})
    EXPECT_EQ(server_words(body), "") << body;
}

TEST(ThrowStatus, NamesTheRequestTheStatusTheWordsAndTheWayOut) {
  const auto error = error_for(401, R"({"errors":[{"code":"UNAUTHORIZED","message":"who?"}]})");
  EXPECT_STREQ(error.what(),
               "GET https://registry-1.docker.io/v2/x/manifests/1: 401 Unauthorized: who? "
               "(UNAUTHORIZED); the repository does not exist or needs credentials: run `kiln "
               "login docker.io`");
  EXPECT_EQ(error.code(), Errc::denied);
  EXPECT_EQ(error.status(), 401);
}

TEST(ThrowStatus, TellsRefusedCredentialsFromMissingOnes) {
  auto asked = kAsked;
  asked.authorized = true;
  try {
    throw_status(asked, {401, {}}, "");
  } catch (const RegistryError& error) {
    EXPECT_STREQ(error.what(),
                 "GET https://registry-1.docker.io/v2/x/manifests/1: 401 Unauthorized; what was "
                 "given is refused: run `kiln login docker.io` again");
  }
}

TEST(ThrowStatus, ChoosesTheCode) {
  EXPECT_EQ(error_for(403, "").code(), Errc::denied);
  EXPECT_EQ(error_for(404, "").code(), Errc::not_found);
  EXPECT_EQ(error_for(400, "").code(), Errc::invalid_input);
  EXPECT_EQ(error_for(302, "").code(), Errc::unavailable);
  EXPECT_EQ(error_for(503, "").code(), Errc::unavailable);
}

TEST(ThrowStatus, IsTemporaryWithTheServersPause) {
  try {
    throw_status(kAsked, {429, {{"retry-after", "3"}}}, "");
  } catch (const TemporaryError& error) {
    EXPECT_EQ(error.retry_after, std::chrono::seconds(3));
    EXPECT_TRUE(error.connected);
    return;
  } catch (const Error&) {
  }
  FAIL() << "429 is temporary";
}

std::string connect_text(Stage stage, const char* url) {
  try {
    throw_connect({"GET", Url::parse(url), "reg:5000", false}, ConnectError(stage, "cause"));
  } catch (const RegistryError& error) {
    EXPECT_EQ(error.code(), Errc::unavailable);
    return error.what();
  }
}

TEST(ThrowConnect, TellsWhatToConfigure) {
  EXPECT_EQ(connect_text(Stage::tls, "https://reg:5000/v2/"),
            "GET https://reg:5000/v2/: cause; if the registry speaks plain HTTP, set `http = true` "
            "under [registry.\"reg:5000\"] in kilnd.toml");
  EXPECT_NE(connect_text(Stage::connect, "https://reg:5000/v2/").find("http = true"),
            std::string::npos);
  EXPECT_EQ(connect_text(Stage::connect, "http://reg:5000/v2/").find("http = true"),
            std::string::npos);
  EXPECT_NE(connect_text(Stage::certificate, "https://reg:5000/v2/").find("`ca = "),
            std::string::npos);
}

}  // namespace
}  // namespace kiln::registry
