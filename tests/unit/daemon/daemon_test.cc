#include "daemon/daemon.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <csignal>
#include <cstring>

#include "builder/os/file.h"
#include "proto/error.h"
#include "tests/unit/daemon/client.h"
#include "tests/unit/daemon/fake_builder.h"

namespace kiln::daemon {
namespace {

using kiln::test::fake_builder;
using test::Answer;
using test::Client;
using test::get;
using test::post;
using testing::Contains;
using testing::HasSubstr;

/// The whole daemon with the fake builder, on a thread.
class DaemonTest : public testing::Test {
 protected:
  DaemonTest() {
    start_logging(LogLevel::error);
    fake_builder() = kiln::test::FakeBuilder{};
    config_.root = directory_.path() / "root";
    config_.listen = {"unix://" + socket_.string()};
  }
  ~DaemonTest() override {
    if (thread_.joinable()) thread_.join();
  }
  void start() {
    ended_ = boost::asio::co_spawn(io_, run_daemon(io_, config_), boost::asio::use_future);
    thread_ = std::thread([this] { io_.run(); });
    ASSERT_TRUE(test::eventually([this] { return std::filesystem::exists(socket_); }));
    ASSERT_TRUE(test::eventually([this] {
      try {
        Client client(socket_);
        client.send(get("/kiln/v1/version"));
        return client.receive().status == 200;
      } catch (const Error&) {
        return false;
      }
    }));
  }
  bool ends_within(std::chrono::milliseconds time) {
    return ended_.wait_for(time) == std::future_status::ready;
  }

  os::TempDir directory_{std::filesystem::temp_directory_path(), "daemon_test"};
  std::filesystem::path socket_ = directory_.path() / "kiln.sock";
  boost::asio::io_context io_{1};
  Config config_;
  std::future<void> ended_;
  std::thread thread_;
};

TEST_F(DaemonTest, StopsAtATermSignalAndCleansUp) {
  start();
  ::kill(::getpid(), SIGTERM);
  ASSERT_TRUE(ends_within(std::chrono::seconds{5}));
  EXPECT_NO_THROW(ended_.get());
  EXPECT_FALSE(std::filesystem::exists(socket_));
  EXPECT_THAT(fake_builder().calls, Contains("closed"));
}

TEST_F(DaemonTest, WaitsForARunningBuildAndCancelsItAtTheSecondSignal) {
  fake_builder().block = true;
  start();
  Client client(socket_);
  client.send(post("/kiln/v1/builds", "{}"));
  client.receive_until("step_started");
  ::kill(::getpid(), SIGINT);
  EXPECT_FALSE(ends_within(std::chrono::milliseconds{300})) << "the build still runs";
  EXPECT_FALSE(std::filesystem::exists(socket_)) << "no further client may come";
  ::kill(::getpid(), SIGINT);
  EXPECT_TRUE(ends_within(std::chrono::seconds{5}));
  const Answer answer = client.receive();
  EXPECT_TRUE(answer.complete);
  EXPECT_THAT(answer.body, HasSubstr("the daemon is stopping"));
}

TEST_F(DaemonTest, ExitsWhenIdleForTheConfiguredTime) {
  config_.idle_exit = std::chrono::seconds{1};
  start();
  EXPECT_TRUE(ends_within(std::chrono::seconds{5}));
}

TEST_F(DaemonTest, IsNotIdleWhileAClientIsConnected) {
  config_.idle_exit = std::chrono::seconds{1};
  start();
  {
    const Client client(socket_);
    EXPECT_FALSE(ends_within(std::chrono::milliseconds{1800}));
  }
  EXPECT_TRUE(ends_within(std::chrono::seconds{5}));
}

TEST_F(DaemonTest, HandsTheConfigurationToTheBuilder) {
  config_.run.network = "none";
  start();
  ::kill(::getpid(), SIGTERM);
  ASSERT_TRUE(ends_within(std::chrono::seconds{5}));
  EXPECT_EQ(fake_builder().config.root, config_.root);
  EXPECT_EQ(fake_builder().config.network, "none");
}

TEST_F(DaemonTest, TellsSystemdWhenItIsReadyAndWhenItStops) {
  const std::string path = directory_.path() / "notify";
  const os::Fd notify(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(notify.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  start();
  ::kill(::getpid(), SIGTERM);
  ASSERT_TRUE(ends_within(std::chrono::seconds{5}));
  ::unsetenv("NOTIFY_SOCKET");
  for (const std::string_view expected : {"READY=1", "STOPPING=1"}) {
    std::string message(64, '\0');
    const ssize_t size = ::recv(notify.get(), message.data(), message.size(), MSG_DONTWAIT);
    ASSERT_GT(size, 0);
    EXPECT_EQ(message.substr(0, static_cast<std::size_t>(size)), expected);
  }
}

TEST_F(DaemonTest, RefusesToStartWithoutTheConfiguredGroup) {
  config_.group = "no-such-group";
  config_.origins["group"] = "kilnd.toml:1";
  auto ended = boost::asio::co_spawn(io_, run_daemon(io_, config_), boost::asio::use_future);
  io_.run();
  try {
    ended.get();
    ADD_FAILURE() << "it started";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("group \"no-such-group\" does not exist"));
  }
}

}  // namespace
}  // namespace kiln::daemon
