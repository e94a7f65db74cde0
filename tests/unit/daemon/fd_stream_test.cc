#include "daemon/fd_stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "tests/support/run_async.h"
#include "tests/unit/daemon/client.h"

namespace kiln::daemon {
namespace {

namespace asio = boost::asio;

/// Both ends of a socket, one as a stream.
struct Ends {
  asio::io_context io{1};
  test::Client client{os::Fd()};
  FdStream stream{pair()};

  FdStream::Socket pair() {
    std::array<int, 2> fds{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds.data()), 0);
    client = test::Client(os::Fd(fds[1]));
    return {io, FdStream::Socket::protocol_type(), fds[0]};
  }

  std::string read(std::size_t size) {
    std::string text(size, '\0');
    auto count = asio::async_read(stream, asio::buffer(text), asio::use_future);
    io.restart();
    io.run();
    text.resize(count.get());
    return text;
  }
};

TEST(FdStream, CollectsDescriptorsOfSeveralMessagesInOrder) {
  Ends ends;
  const os::Pipe one = os::make_pipe();
  const os::Pipe two = os::make_pipe();
  ends.client.send("ab", {one.read_end.get(), one.write_end.get()});
  ends.client.send("cd");
  ends.client.send("ef", {two.write_end.get()});

  EXPECT_EQ(ends.read(6), "abcdef");
  const std::vector<os::Fd> fds = ends.stream.take_descriptors();
  ASSERT_EQ(fds.size(), 3U);
  EXPECT_FALSE(ends.stream.take_loss());
  ASSERT_EQ(::write(fds[1].get(), "x", 1), 1);
  ASSERT_EQ(::write(fds[2].get(), "y", 1), 1);
  char letter = 0;
  ASSERT_EQ(::read(fds[0].get(), &letter, 1), 1);
  EXPECT_EQ(letter, 'x');
  ASSERT_EQ(::read(two.read_end.get(), &letter, 1), 1);
  EXPECT_EQ(letter, 'y');
}

TEST(FdStream, MakesDescriptorsCloseOnExec) {
  Ends ends;
  const os::Pipe pipe = os::make_pipe();
  ends.client.send("a", {pipe.read_end.get()});
  EXPECT_EQ(ends.read(1), "a");
  const auto fds = ends.stream.take_descriptors();
  ASSERT_EQ(fds.size(), 1U);
  EXPECT_EQ(::fcntl(fds[0].get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST(FdStream, ClosesWhatNobodyTook) {
  os::Pipe pipe = os::make_pipe();
  {
    Ends ends;
    ends.client.send("a", {pipe.write_end.get()});
    EXPECT_EQ(ends.read(1), "a");
    pipe.write_end = os::Fd();
  }
  char letter = 0;
  EXPECT_EQ(::read(pipe.read_end.get(), &letter, 1), 0) << "somebody still holds the write end";
}

TEST(FdStream, ClosesAndReportsDescriptorsOverTheLimit) {
  Ends ends;
  const os::Pipe pipe = os::make_pipe();
  const std::vector<int> many(kMaxDescriptors, pipe.read_end.get());
  ends.client.send("a", many);
  EXPECT_EQ(ends.read(1), "a");
  EXPECT_FALSE(ends.stream.take_loss());
  ends.client.send("b", {pipe.read_end.get()});
  EXPECT_EQ(ends.read(1), "b");
  EXPECT_TRUE(ends.stream.take_loss());
  EXPECT_EQ(ends.stream.take_descriptors().size(), kMaxDescriptors);
}

TEST(FdStream, EndsWithEof) {
  Ends ends;
  ends.client.send("a");
  ends.client.close();
  EXPECT_EQ(ends.read(1), "a");
  EXPECT_THROW(ends.read(1), boost::system::system_error);
}

}  // namespace
}  // namespace kiln::daemon
