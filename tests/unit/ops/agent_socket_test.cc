#include "builder/ops/agent_socket.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/this_coro.hpp>
#include <optional>

#include "builder/os/dir.h"
#include "builder/os/process.h"
#include "tests/support/run_async.h"
#include "tests/support/scratch.h"

namespace kiln::ops {
namespace {

namespace asio = boost::asio;

class Said final : public solver::StepListener {
 public:
  void log(int, std::string_view words) override { text += words; }
  void progress(std::string_view, std::uint64_t, std::uint64_t) override {}
  std::string text;
};

asio::awaitable<os::Output> call(std::vector<std::string> argv, std::string socket) {
  std::vector<std::string> env{"PATH=/usr/bin:/bin"};
  if (!socket.empty()) env.push_back("SSH_AUTH_SOCK=" + socket);
  return os::run_command(std::move(argv), std::move(env), "");
}

/// A real agent that has one key.
class AgentSocketTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists("/usr/bin/ssh-agent")) GTEST_SKIP() << "there is no ssh-agent";
    os::SpawnSpec spec;
    spec.argv = {"ssh-agent", "-D", "-a", agent_path()};
    spec.env = {"PATH=/usr/bin:/bin"};
    agent_ = os::Process::spawn(io_.get_executor(), spec);
    while (list_of_agent().status.code == 2) {
    }
    must({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "kiln-test", "-f", key()});
    must({"ssh-add", "-q", key()}, agent_path());
  }
  void TearDown() override {
    agent_.reset();
    pool_.join();
  }

  void must(std::vector<std::string> argv, std::string socket = "") const {
    const os::Output output = test::run_async(call(std::move(argv), std::move(socket)));
    ASSERT_TRUE(output.status.ok()) << output.err;
  }
  /// Exit code 2: nobody listens.
  [[nodiscard]] os::Output list_of_agent() const {
    return test::run_async(call({"ssh-add", "-l"}, agent_path()));
  }
  [[nodiscard]] std::string agent_path() const { return scratch_ / "the-agent"; }
  [[nodiscard]] std::string key() const { return scratch_ / "key"; }
  [[nodiscard]] std::shared_ptr<const ClientAgent> client_agent(os::Peer peer = {}) const {
    return std::make_shared<const ClientAgent>(os::open_file(agent_path(), O_PATH), peer);
  }

  /// Runs a program with our socket in its environment.
  asio::awaitable<os::Output> through(std::shared_ptr<const ClientAgent> agent,
                                      std::vector<std::string> argv) {
    AgentSockets sockets(co_await asio::this_coro::executor, pool_, scratch_.path());
    os::Output output;
    {
      const AgentSocket socket = co_await sockets.open(std::move(agent), {0660, 12, 34}, said_);
      path_ = socket.path();
      status_ = test::status_of(path_);
      output = co_await call(std::move(argv), path_);
    }
    co_await sockets.drain();
    co_return output;
  }
  os::Output run(std::vector<std::string> argv) {
    return test::run_async(through(client_agent(), std::move(argv)));
  }

  test::Scratch scratch_;
  asio::io_context io_{1};
  std::optional<os::Process> agent_;
  asio::thread_pool pool_{1};
  std::shared_ptr<Said> said_ = std::make_shared<Said>();
  std::filesystem::path path_;
  struct stat status_{};
};

TEST_F(AgentSocketTest, ListsTheKeysOfTheClientsAgent) {
  const os::Output output = run({"ssh-add", "-l"});
  EXPECT_TRUE(output.out.contains("kiln-test")) << output.out << output.err;
  EXPECT_EQ(said_->text, "");
}

TEST_F(AgentSocketTest, SignsWithAKeyThatOnlyTheAgentHas) {
  std::filesystem::remove(key());
  const auto message = scratch_.write("message", "hello");
  const os::Output output = run({"ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f",
                                 scratch_ / "key.pub", message.string()});
  EXPECT_TRUE(output.status.ok()) << output.err;
  EXPECT_TRUE(test::content_of(message.string() + ".sig").starts_with("-----BEGIN SSH SIGNATURE"));
}

TEST_F(AgentSocketTest, LetsNobodyChangeTheAgent) {
  EXPECT_FALSE(run({"ssh-add", "-D"}).status.ok());
  EXPECT_FALSE(run({"ssh-add", "-q", key()}).status.ok());
  EXPECT_FALSE(run({"ssh-add", "-q", "-d", key()}).status.ok());
  const os::Output output = list_of_agent();
  EXPECT_TRUE(output.out.contains("kiln-test")) << "the key is still there";
}

TEST_F(AgentSocketTest, HasTheOwnerAndModeThatWereAskedForAndGoesWithItsOwner) {
  run({"ssh-add", "-l"});
  EXPECT_TRUE(S_ISSOCK(status_.st_mode));
  EXPECT_EQ(status_.st_mode & 07777, 0660U);
  EXPECT_EQ(status_.st_uid, 12U);
  EXPECT_EQ(status_.st_gid, 34U);
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_FALSE(std::filesystem::exists(path_.parent_path()));
}

TEST_F(AgentSocketTest, SaysOnceThatTheAgentHasGone) {
  agent_.reset();
  EXPECT_FALSE(run({"sh", "-c", "ssh-add -l; ssh-add -l"}).status.ok());
  EXPECT_EQ(said_->text, "kiln: connect to the client's SSH agent: Connection refused\n");
}

TEST_F(AgentSocketTest, UsesTheClientsRightsForItsSocket) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const os::Output output =
      test::run_async(through(client_agent({1234, 1234, {}}), {"ssh-add", "-l"}));
  EXPECT_FALSE(output.status.ok());
  EXPECT_EQ(said_->text, "kiln: connect to the client's SSH agent: Permission denied\n");
}

TEST_F(AgentSocketTest, RefusesASocketOfAnotherUserThatTheClientMayUse) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  std::filesystem::permissions(agent_path(), std::filesystem::perms::all);
  const os::Output output =
      test::run_async(through(client_agent({1234, 1234, {}}), {"ssh-add", "-l"}));
  EXPECT_FALSE(output.status.ok());
  EXPECT_EQ(said_->text, "kiln: the SSH agent is user 0's, the client is user 1234\n");
}

}  // namespace
}  // namespace kiln::ops
