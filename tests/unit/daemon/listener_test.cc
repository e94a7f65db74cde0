#include "daemon/listener.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <cstdlib>
#include <cstring>

#include "builder/os/file.h"
#include "proto/error.h"
#include "tests/unit/daemon/client.h"

namespace kiln::daemon {
namespace {

using testing::HasSubstr;

class ListenerTest : public testing::Test {
 protected:
  Listener open(std::optional<gid_t> group = std::nullopt) {
    return Listener::open(io_.get_executor(), path_, group);
  }
  [[nodiscard]] struct stat status() const {
    struct stat result{};
    EXPECT_EQ(::lstat(path_.c_str(), &result), 0);
    return result;
  }

  boost::asio::io_context io_{1};
  os::TempDir directory_{std::filesystem::temp_directory_path(), "listener_test"};
  std::filesystem::path path_ = directory_.path() / "run" / "deep" / "kiln.sock";
};

TEST_F(ListenerTest, MakesASocketForOwnerAndGroupOnly) {
  const mode_t before = ::umask(0);
  const Listener listener = open();
  ::umask(before);
  EXPECT_EQ(status().st_mode & 07777U, 0660U);
  const test::Client client(path_);
}

TEST_F(ListenerTest, MakesItsDirectoriesPassableWhateverTheUmask) {
  const mode_t before = ::umask(077);
  const Listener listener = open();
  ::umask(before);
  for (const auto& made : {path_.parent_path(), path_.parent_path().parent_path()}) {
    struct stat result{};
    ASSERT_EQ(::stat(made.c_str(), &result), 0);
    EXPECT_EQ(result.st_mode & 07777U, 0755U) << made;
  }
}

TEST_F(ListenerTest, GivesTheSocketToTheGroup) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to give files away";
  const Listener listener = open(12345);
  EXPECT_EQ(status().st_gid, 12345U);
  EXPECT_EQ(status().st_uid, 0U);
}

TEST_F(ListenerTest, ReplacesASocketThatNobodyAnswersOn) {
  std::filesystem::create_directories(path_.parent_path());
  {
    const os::Fd dead(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(dead.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ASSERT_TRUE(std::filesystem::exists(path_));
  const Listener listener = open();
  const test::Client client(path_);
}

TEST_F(ListenerTest, LeavesASocketAloneThatSomebodyAnswersOn) {
  const Listener first = open();
  try {
    const Listener second = open();
    ADD_FAILURE() << "two listeners on one path";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::unavailable);
    EXPECT_THAT(error.what(), HasSubstr("another process answers there"));
  }
  const test::Client client(path_);
}

TEST_F(ListenerTest, LeavesAFileAloneThatIsNoSocket) {
  std::filesystem::create_directories(path_.parent_path());
  os::write_file(path_, "precious");
  EXPECT_THROW(open(), Error);
  EXPECT_EQ(os::read_file(path_, 100), "precious");
}

TEST_F(ListenerTest, RemovesItsNameInTheEnd) {
  {
    const Listener listener = open();
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ListenerTest, LeavesANameAloneThatSomebodyElseTookOver) {
  {
    const Listener listener = open();
    std::filesystem::remove(path_);
    os::write_file(path_, "another");
  }
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST(ParseListenAddress, TakesAbsoluteUnixPathsOnly) {
  EXPECT_EQ(parse_listen_address("unix:///run/kiln.sock"), "/run/kiln.sock");
  for (const std::string wrong :
       {"", "/run/kiln.sock", "unix://relative", "unix://", "tcp://127.0.0.1:1", "unix:///dir/"})
    EXPECT_THROW(static_cast<void>(parse_listen_address(wrong)), Error) << wrong;
  EXPECT_NO_THROW(static_cast<void>(parse_listen_address("unix:///" + std::string(106, 'x'))));
  EXPECT_THROW(static_cast<void>(parse_listen_address("unix:///" + std::string(107, 'x'))), Error);
}

TEST(FindGroup, TellsAMissingGroupFromAnError) {
  EXPECT_EQ(find_group("root"), 0U);
  EXPECT_FALSE(find_group("no-such-group"));
}

/// What systemd does, in the child of a death test: a descriptor 3 and two variables.
[[noreturn]] void take_from_systemd(int fd, const std::filesystem::path& path) {
  ::dup2(fd, 3);
  ::setenv("LISTEN_FDS", "1", 1);
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  try {
    std::vector<os::Fd> sockets = take_activated_sockets();
    boost::asio::io_context io{1};
    const bool unset = !::getenv("LISTEN_FDS");
    const bool cloexec = (::fcntl(3, F_GETFD) & FD_CLOEXEC) != 0;
    {
      const Listener listener = Listener::adopt(io.get_executor(), std::move(sockets.at(0)));
      const test::Client client(path);
      if (listener.name().find(path.string()) == std::string::npos) ::_exit(10);
    }
    if (!std::filesystem::exists(path)) ::_exit(11);  // the name is systemd's
    ::_exit(unset && cloexec ? 0 : 12);
  } catch (const Error& error) {
    ::_exit(error.code() == Errc::invalid_input ? 22 : 23);
  }
}

TEST(Activation, TakesTheSocketsThatSystemdPassed) {
  const os::TempDir directory(std::filesystem::temp_directory_path(), "listener_test");
  const auto path = directory.path() / "s";
  const os::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(socket.get(), 4), 0);
  EXPECT_EXIT(take_from_systemd(socket.get(), path), testing::ExitedWithCode(0), "");
}

TEST(Activation, RefusesADescriptorThatIsNoSocket) {
  const os::Pipe pipe = os::make_pipe();
  EXPECT_EXIT(take_from_systemd(pipe.read_end.get(), "/x"), testing::ExitedWithCode(22), "");
}

TEST(Activation, IsNothingWithoutSystemd) {
  ::unsetenv("LISTEN_FDS");
  EXPECT_TRUE(take_activated_sockets().empty());
}

}  // namespace
}  // namespace kiln::daemon
