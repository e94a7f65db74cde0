#include "cli/credentials.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "cli/fd.h"
#include "proto/base64.h"
#include "proto/error.h"
#include "tests/unit/cli/scratch.h"

namespace kiln::cli {
namespace {

using nlohmann::json;
using test::ScopedVariable;
using test::Scratch;
using testing::HasSubstr;

/// A folder with config.json, and one in PATH with a credential helper that keeps its secrets in
/// files.
class DockerConfigTest : public testing::Test {
 protected:
  void write_config(const json& content) { scratch_.write("config.json", content.dump()); }
  [[nodiscard]] json config() const { return json::parse(read_file(scratch_ / "config.json")); }
  [[nodiscard]] DockerConfig docker() const { return DockerConfig(scratch_.path()); }

  void install_helper(const std::string& name) {
    scratch_.write_program("bin/docker-credential-" + name, R"sh(#!/bin/sh
store=$(dirname "$0")/../secrets
mkdir -p "$store"
name() { tr '/:' '__'; }
case $1 in
get)
  file=$store/$(name)
  [ -f "$file" ] || { echo "credentials not found in native keychain"; exit 1; }
  cat "$file" ;;
store)
  input=$(cat)
  file=$(echo "$input" | sed 's/.*"ServerURL":"\([^"]*\)".*/\1/' | tr -d '\n' | name)
  echo "$input" > "$store/$file" ;;
erase)
  rm "$store/$(name)" ;;
esac
)sh");
  }

  Scratch scratch_;
  ScopedVariable path_{"PATH", (scratch_ / "bin") + ":" + std::getenv("PATH")};
};

TEST_F(DockerConfigTest, HasNoneWithoutAFile) {
  const Credentials found = docker().find("ghcr.io");
  EXPECT_EQ(found.username, "");
  EXPECT_EQ(found.password, "");
}

TEST_F(DockerConfigTest, ReadsAuthsByHostWhateverTheKeyLooksLike) {
  write_config({{"auths",
                 {{"https://index.docker.io/v1/", {{"auth", base64_encode("hub:a:b")}}},
                  {"https://reg.example:5000/v2/", {{"auth", base64_encode("me:secret")}}},
                  {"ghcr.io", {{"auth", ""}, {"identitytoken", "tok"}}},
                  {"quay.io", {{"auth", base64_encode("<token>:refresh")}}}}}});
  EXPECT_EQ(docker().find("docker.io").username, "hub");
  EXPECT_EQ(docker().find("docker.io").password, "a:b");
  EXPECT_EQ(docker().find("reg.example:5000").password, "secret");
  EXPECT_EQ(docker().find("ghcr.io").identity_token, "tok");
  EXPECT_EQ(docker().find("quay.io").identity_token, "refresh");
  EXPECT_EQ(docker().find("quay.io").username, "");
  EXPECT_EQ(docker().find("reg.example").username, "");
}

TEST_F(DockerConfigTest, AsksTheHelperOfTheRegistryBeforeTheCommonOne) {
  install_helper("own");
  install_helper("common");
  scratch_.write("secrets/ghcr.io", R"({"ServerURL":"ghcr.io","Username":"me","Secret":"pw"})");
  scratch_.write("secrets/https___index.docker.io_v1_",
                 R"({"ServerURL":"x","Username":"<token>","Secret":"id"})");
  write_config({{"credsStore", "common"}, {"credHelpers", {{"ghcr.io", "own"}}}});
  EXPECT_EQ(docker().find("ghcr.io").username, "me");
  EXPECT_EQ(docker().find("ghcr.io").password, "pw");
  EXPECT_EQ(docker().find("docker.io").identity_token, "id");
  EXPECT_EQ(docker().find("quay.io").password, "");
}

TEST_F(DockerConfigTest, SaysWhichHelperIsMissingUnlessTheFileHasTheCredentials) {
  write_config(
      {{"credsStore", "nowhere"}, {"auths", {{"ghcr.io", {{"auth", base64_encode("a:b")}}}}}});
  EXPECT_EQ(docker().find("ghcr.io").username, "a");
  try {
    static_cast<void>(docker().find("quay.io"));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("docker-credential-nowhere is not in PATH"));
  }
}

TEST_F(DockerConfigTest, TellsWhyAHelperFailed) {
  scratch_.write_program("bin/docker-credential-sad",
                         "#!/bin/sh\necho 'keychain is locked' >&2\nexit 3\n");
  write_config({{"credsStore", "sad"}});
  try {
    static_cast<void>(docker().find("ghcr.io"));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "docker-credential-sad get: exit code 3: keychain is locked");
  }
}

TEST_F(DockerConfigTest, StoresInTheFileAndKeepsWhatItDoesNotKnow) {
  write_config({{"proxies", {{"default", {{"httpProxy", "http://p"}}}}},
                {"auths", {{"quay.io", {{"auth", "eDp5"}}}}}});
  EXPECT_EQ(docker().store("docker.io", {"me", "pw", ""}), scratch_ / "config.json");
  EXPECT_EQ(config(), json({{"proxies", {{"default", {{"httpProxy", "http://p"}}}}},
                            {"auths",
                             {{"quay.io", {{"auth", "eDp5"}}},
                              {"https://index.docker.io/v1/", {{"auth", "bWU6cHc="}}}}}}));
  EXPECT_EQ(docker().find("docker.io").password, "pw");
  struct stat status{};
  ASSERT_EQ(::stat((scratch_ / "config.json").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(DockerConfigTest, MakesTheFolderForItsFirstFile) {
  const DockerConfig fresh(scratch_ / "new/.docker");
  fresh.store("ghcr.io", {"me", "pw", ""});
  EXPECT_EQ(fresh.find("ghcr.io").username, "me");
}

TEST_F(DockerConfigTest, StoresAndErasesWithTheHelper) {
  install_helper("common");
  write_config({{"credsStore", "common"}});
  EXPECT_EQ(docker().store("ghcr.io", {"me", "p\"w", ""}), "docker-credential-common");
  EXPECT_EQ(docker().find("ghcr.io").password, "p\"w");
  EXPECT_EQ(config()["auths"]["ghcr.io"], json::object()) << "no secret in the file";
  EXPECT_TRUE(docker().erase("ghcr.io"));
  EXPECT_FALSE(docker().erase("ghcr.io"));
  EXPECT_EQ(docker().find("ghcr.io").password, "");
}

TEST_F(DockerConfigTest, ErasesEveryKeyOfTheRegistry) {
  write_config({{"auths",
                 {{"https://ghcr.io", {{"auth", "eDp5"}}},
                  {"ghcr.io", {{"auth", "eDp5"}}},
                  {"quay.io", json::object()}}}});
  EXPECT_TRUE(docker().erase("ghcr.io"));
  EXPECT_EQ(config(), json({{"auths", {{"quay.io", json::object()}}}}));
  EXPECT_FALSE(docker().erase("ghcr.io"));
}

TEST_F(DockerConfigTest, LeavesAFileAloneThatItCannotRead) {
  scratch_.write("config.json", "{ not json");
  EXPECT_THROW(docker().store("ghcr.io", {"a", "b", ""}), Error);
  EXPECT_EQ(read_file(scratch_ / "config.json"), "{ not json");
}

TEST_F(DockerConfigTest, WritesThroughALink) {
  scratch_.write("real.json", "{}");
  std::filesystem::create_symlink("real.json", scratch_ / "config.json");
  docker().store("ghcr.io", {"a", "b", ""});
  EXPECT_TRUE(std::filesystem::is_symlink(scratch_ / "config.json"));
  EXPECT_THAT(read_file(scratch_ / "real.json"), HasSubstr("ghcr.io"));
}

TEST(RegistryOf, KnowsEverySpellingOfDockerHub) {
  for (const char* name :
       {"", "docker.io", "index.docker.io", "https://index.docker.io/v1/", "registry-1.docker.io"})
    EXPECT_EQ(registry_of(name), "docker.io") << name;
  EXPECT_EQ(registry_of("http://localhost:5000/"), "localhost:5000");
}

TEST(Base64, ReadsWhatItWrites) {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    EXPECT_EQ(base64_decode(base64_encode(bytes)), bytes);
    bytes += static_cast<char>(i * 7);
  }
  EXPECT_EQ(base64_encode("me:pw"), "bWU6cHc=");
  EXPECT_THROW(static_cast<void>(base64_decode("a b")), Error);
}

}  // namespace
}  // namespace kiln::cli
