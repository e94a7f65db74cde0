#include "cli/connection.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "cli/errors.h"
#include "tests/unit/cli/scratch.h"
#include "tests/unit/cli/tiny_server.h"

namespace kiln::cli {
namespace {

using test::answer;
using test::chunk;
using test::ReceivedRequest;
using test::Scratch;
using test::stream_head;
using test::TinyServer;
using testing::HasSubstr;

std::string receive_all(Connection& connection) {
  std::string body;
  while (!connection.response().done())
    body += connection.receive();
  return body;
}

TEST(Connection, SaysThatNobodyListens) {
  const Scratch scratch;
  EXPECT_FALSE(Connection::open(scratch / "none.sock").has_value());
  {
    const TinyServer server(scratch / "dead.sock", [](const ReceivedRequest&, int) {});
  }
  EXPECT_FALSE(Connection::open(scratch / "dead.sock").has_value());
}

TEST(Connection, PassesDescriptorsWithTheFirstBytes) {
  const Scratch scratch;
  scratch.write("a.txt", "from a");
  ReceivedRequest received;
  TinyServer server(scratch / "s.sock", [&](const ReceivedRequest& request, int socket) {
    received.line = request.line;
    received.body = request.body;
    for (const Fd& fd : request.descriptors)
      received.descriptors.emplace_back(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0));
    write_all(socket, answer("{}"), "socket");
  });
  const Fd file = open_read(scratch / "a.txt");
  const Fd folder = open_read(scratch.path(), O_DIRECTORY);
  const std::string body(1'000'000, 'b');  // more than a socket takes at once
  auto connection = Connection::open(scratch / "s.sock");
  ASSERT_TRUE(connection.has_value());
  connection->send(
      {.method = "POST", .target = "/x", .body = body, .descriptors = {folder.get(), file.get()}});
  EXPECT_EQ(receive_all(*connection), "{}");
  EXPECT_EQ(connection->response().status(), 200U);
  server.settle();
  EXPECT_EQ(received.line, "POST /x HTTP/1.1");
  EXPECT_EQ(received.body.size(), body.size());
  ASSERT_EQ(received.descriptors.size(), 2U);
  struct stat passed{};
  struct stat own{};
  ASSERT_EQ(::fstat(received.descriptors[0].get(), &passed), 0);
  ASSERT_EQ(::fstat(folder.get(), &own), 0);
  EXPECT_EQ(passed.st_ino, own.st_ino);
  EXPECT_EQ(read_all(received.descriptors[1].get(), "a.txt"), "from a");
}

TEST(Connection, ReadsAChunkedAnswerThatArrivesByteByByte) {
  const Scratch scratch;
  const TinyServer server(scratch / "s.sock", [](const ReceivedRequest&, int socket) {
    for (const char c : stream_head() + chunk("one\ntw") + chunk("o\n") + chunk(""))
      write_all(socket, {&c, 1}, "socket");
  });
  auto connection = Connection::open(scratch / "s.sock");
  ASSERT_TRUE(connection.has_value());
  connection->send({.target = "/x"});
  EXPECT_EQ(receive_all(*connection), "one\ntwo\n");
}

TEST(Connection, TellsABrokenAnswerFromAWholeOne) {
  const Scratch scratch;
  std::string text;
  TinyServer server(scratch / "s.sock",
                    [&](const ReceivedRequest&, int socket) { write_all(socket, text, "socket"); });
  for (const std::string& broken :
       {std::string(), std::string("HTTP/1.1 200"), stream_head() + chunk("one\n"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort")}) {
    text = broken;
    auto connection = Connection::open(scratch / "s.sock");
    ASSERT_TRUE(connection.has_value());
    connection->send({.target = "/x"});
    EXPECT_THROW(receive_all(*connection), ConnectionError) << broken;
    server.settle();
  }
}

TEST(Connection, RefusesWhatIsNotHttp) {
  const Scratch scratch;
  const TinyServer server(scratch / "s.sock", [](const ReceivedRequest&, int socket) {
    write_all(socket, "SSH-2.0-OpenSSH_9.2\r\n\r\n", "socket");
  });
  auto connection = Connection::open(scratch / "s.sock");
  ASSERT_TRUE(connection.has_value());
  connection->send({.target = "/x"});
  EXPECT_THROW(receive_all(*connection), Error);
}

TEST(Serialize, SaysHowLongTheBodyIs) {
  EXPECT_EQ(serialize({.target = "/a"}),
            "GET /a HTTP/1.1\r\nHost: kiln\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(serialize({.method = "POST", .target = "/a", .body = "{}"}),
              HasSubstr("Content-Length: 2\r\n\r\n{}"));
  EXPECT_THAT(serialize({.method = "POST", .target = "/a"}),
              HasSubstr("Content-Length: 0\r\n\r\n"));
}

TEST(PercentEncode, LeavesOnlyUnreservedCharacters) {
  EXPECT_EQ(percent_encode("localhost:5000/a_b-c.d~e:1@x&y=\xc3\xbc #"),
            "localhost%3A5000%2Fa_b-c.d~e%3A1%40x%26y%3D%C3%BC%20%23");
}

}  // namespace
}  // namespace kiln::cli
