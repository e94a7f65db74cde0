#include "builder/ops/client_secrets.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "proto/limits.h"
#include "tests/support/scratch.h"

namespace kiln::ops {
namespace {

std::map<std::string, os::Fd> file_as(const std::string& role, const std::filesystem::path& path) {
  std::map<std::string, os::Fd> descriptors;
  descriptors.emplace(role, os::open_file(path, O_RDONLY));
  return descriptors;
}

std::string refusal(std::map<std::string, os::Fd> descriptors) {
  try {
    (void)ClientSecrets::take(descriptors, {});
  } catch (const Error& error) {
    return error.what();
  }
  return "taken";
}

TEST(ClientSecrets, AreTakenByTheirRolesAndOthersAreLeft) {
  const test::Scratch scratch;
  auto descriptors = file_as("secret:npm", scratch.write("a", "hunter2"));
  descriptors.merge(file_as("context", scratch.write("b", "")));
  const ClientSecrets taken = ClientSecrets::take(descriptors, {});
  ASSERT_TRUE(taken.secret("npm"));
  EXPECT_EQ(taken.secret("npm")->view(), "hunter2");
  EXPECT_FALSE(taken.secret("other"));
  EXPECT_FALSE(taken.agent("npm"));
  EXPECT_TRUE(descriptors.at("context"));
  EXPECT_FALSE(descriptors.at("secret:npm"));
}

TEST(ClientSecrets, OverTheLimitAreRefusedByTheirId) {
  const test::Scratch scratch;
  const auto path = scratch.write("a", std::string(kMaxSecretBytes + 1, 'x'));
  EXPECT_EQ(refusal(file_as("secret:npm", path)), "secret npm: over the limit of 500 KiB");
  EXPECT_EQ(refusal(file_as("secret:npm", scratch.write("b", std::string(kMaxSecretBytes, 'x')))),
            "taken");
}

TEST(ClientSecrets, WithoutAnIdAreRefused) {
  const test::Scratch scratch;
  EXPECT_TRUE(refusal(file_as("secret:", scratch.write("a", ""))).contains("no id"));
}

TEST(ClientSecrets, AnAgentThatIsNoSocketIsRefused) {
  const test::Scratch scratch;
  EXPECT_EQ(refusal(file_as("ssh:default", scratch.write("a", ""))),
            "SSH agent default: no socket");
}

}  // namespace
}  // namespace kiln::ops
