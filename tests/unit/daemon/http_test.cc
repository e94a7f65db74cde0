#include "daemon/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/protocol.h"
#include "tests/unit/daemon/client.h"

namespace kiln::daemon {
namespace {

using test::Answer;
using test::Client;
using test::get;
using test::post;
using testing::HasSubstr;

boost::asio::awaitable<Reply> echo(Request request) {
  std::string text = request.method + " " + request.path + " rest=" + request.rest +
                     " body=" + request.body + " fds=" + std::to_string(request.descriptors.size());
  for (const auto& [name, value] : request.query)
    text += fmt::format(" {}={}", name, value);
  co_return Reply{200, text};
}

boost::asio::awaitable<Reply> nothing(Request) {
  co_return Reply{};
}

boost::asio::awaitable<Reply> fail(Request request) {
  throw Error(Errc::denied, "no: {}", request.parameter("name"));
  co_return Reply{};
}

class Http : public testing::Test {
 protected:
  Http() {
    routes_.add("GET", "/echo", ReplyHandler(echo));
    routes_.add("POST", "/echo", ReplyHandler(echo));
    routes_.add("POST", "/items/*", ReplyHandler(echo));
    routes_.add("DELETE", "/nothing", ReplyHandler(nothing));
    routes_.add("GET", "/fail", ReplyHandler(fail));
  }
  Answer ask(std::string_view request) {
    Client client = server_.connect();
    client.try_send(request);
    return client.receive();
  }

  Routes routes_;
  test::TestServer server_{routes_};
};

TEST_F(Http, AnswersSeveralRequestsOnOneConnection) {
  Client client = server_.connect();
  for (int count = 0; count < 3; ++count) {
    client.send(post("/echo", "hello"));
    const Answer answer = client.receive();
    EXPECT_EQ(answer.status, 200);
    EXPECT_THAT(answer.head, HasSubstr("Content-Type: application/json\r\n"));
    EXPECT_EQ(answer.body, "POST /echo rest= body=hello fds=0");
  }
}

TEST_F(Http, AnswersPipelinedRequestsInOrder) {
  Client client = server_.connect();
  client.send(post("/echo", "1") + post("/echo", "2"));
  EXPECT_THAT(client.receive().body, HasSubstr("body=1"));
  EXPECT_THAT(client.receive().body, HasSubstr("body=2"));
}

TEST_F(Http, TakesARequestByteByByte) {
  Client client = server_.connect();
  for (const char letter : post("/echo", "slow"))
    client.send(std::string_view(&letter, 1));
  EXPECT_THAT(client.receive().body, HasSubstr("body=slow"));
}

TEST_F(Http, GivesDescriptorsToTheRequestTheyCameWith) {
  Client client = server_.connect();
  const os::Pipe pipe = os::make_pipe();
  const std::string request = post("/echo", "x");
  client.send(request.substr(0, 10), {pipe.read_end.get()});
  client.send(request.substr(10), {pipe.write_end.get()});
  EXPECT_THAT(client.receive().body, HasSubstr("fds=2"));
  client.send(request);
  EXPECT_THAT(client.receive().body, HasSubstr("fds=0"));
}

TEST_F(Http, DecodesTheQueryAndLeavesPlusAlone) {
  EXPECT_THAT(ask(get("/echo?name=a%2Fb%3A1+2&empty=")).body, HasSubstr(" empty= name=a/b:1+2"));
}

TEST_F(Http, RefusesABadQuery) {
  EXPECT_EQ(ask(get("/echo?name=%zz")).status, 400);
  const Answer twice = ask(get("/echo?name=1&name=2"));
  EXPECT_EQ(twice.status, 400);
  EXPECT_THAT(twice.body, HasSubstr("\\\"name\\\" comes twice"));
}

TEST_F(Http, MatchesOneSegmentByStar) {
  EXPECT_THAT(ask(post("/items/a1", "")).body, HasSubstr("rest=a1 "));
  EXPECT_EQ(ask(post("/items/", "")).status, 404);
  EXPECT_EQ(ask(post("/items/a/b", "")).status, 404);
}

TEST_F(Http, SaysWhichPathAndMethodsExist) {
  const Answer unknown = ask(get("/other"));
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(from_json<ErrorReply>(unknown.body).code, Errc::not_found);
  EXPECT_THAT(unknown.body, HasSubstr("GET /other"));
  const Answer method = ask(get("/nothing"));
  EXPECT_EQ(method.status, 400);
  EXPECT_THAT(method.body, HasSubstr("only DELETE"));
}

TEST_F(Http, SendsAnEmptyReplyAs204) {
  Client client = server_.connect();
  client.send("DELETE /nothing HTTP/1.1\r\nHost: k\r\n\r\n" + get("/echo"));
  const Answer answer = client.receive();
  EXPECT_EQ(answer.status, 204);
  EXPECT_EQ(answer.head.find("Content-Length"), std::string::npos);
  EXPECT_EQ(client.receive().status, 200);
}

TEST_F(Http, TurnsAnErrorIntoItsStatusAndReply) {
  const Answer denied = ask(get("/fail?name=x"));
  EXPECT_EQ(denied.status, 403);
  EXPECT_EQ(denied.body, R"({"code":"denied","message":"no: x"})");
  const Answer missing = ask(get("/fail"));
  EXPECT_EQ(missing.status, 400);
  EXPECT_THAT(missing.body, HasSubstr("\\\"name\\\" is missing"));
}

TEST_F(Http, RefusesABadRequestLineAndCloses) {
  Client client = server_.connect();
  client.send("nonsense\r\n\r\n");
  const Answer answer = client.receive();
  EXPECT_EQ(answer.status, 400);
  EXPECT_EQ(from_json<ErrorReply>(answer.body).code, Errc::invalid_input);
  EXPECT_THAT(answer.head, HasSubstr("Connection: close"));
  EXPECT_TRUE(client.at_end());
}

TEST_F(Http, RefusesAHeaderOverTheLimit) {
  const Answer answer =
      ask("GET /echo HTTP/1.1\r\nX: " + std::string(kMaxHeaderBytes, 'x') + "\r\n\r\n");
  EXPECT_EQ(answer.status, 431);
  EXPECT_THAT(answer.body, HasSubstr("16384 bytes"));
}

TEST_F(Http, TakesABodyOfTheLimitAndRefusesOneByteMore) {
  EXPECT_EQ(ask(post("/echo", std::string(kMaxBodyBytes, 'x'))).status, 200);
  const Answer over = ask(post("/echo", std::string(kMaxBodyBytes + 1, 'x')));
  EXPECT_EQ(over.status, 413);
  EXPECT_THAT(over.body, HasSubstr("1048576 bytes"));
}

TEST_F(Http, RefusesAChunkedBodyOverTheLimit) {
  std::string request = "POST /echo HTTP/1.1\r\nHost: k\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int count = 0; count < 17; ++count)
    request += "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  EXPECT_EQ(ask(request + "0\r\n\r\n").status, 413);
}

TEST_F(Http, ReadsAnUnwantedBodyBeforeItCloses) {
  // A client that writes all before it reads must still find the answer.
  Client client = server_.connect();
  EXPECT_TRUE(client.try_send(post("/echo", std::string(4 * kMaxBodyBytes, 'x'))));
  EXPECT_EQ(client.receive().status, 413);
}

TEST_F(Http, SaysContinueToAClientThatWaitsForIt) {
  Client client = server_.connect();
  client.send(
      "POST /echo HTTP/1.1\r\nHost: k\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.receive().status, 100);
  client.send("ok");
  EXPECT_THAT(client.receive().body, HasSubstr("body=ok"));
}

TEST_F(Http, ClosesAfterARequestThatSaysSo) {
  Client client = server_.connect();
  client.send("GET /echo HTTP/1.1\r\nHost: k\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(client.receive().status, 200);
  EXPECT_TRUE(client.at_end());
}

TEST_F(Http, RefusesHttp2InItsOwnWords) {
  Client client = server_.connect();
  client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const std::string frames = client.receive_until("use kiln");
  EXPECT_EQ(frames.substr(0, 9), std::string("\0\0\0\4\0\0\0\0\0", 9));
  EXPECT_EQ(frames[12], 7) << "GOAWAY";
  EXPECT_EQ(static_cast<std::size_t>(frames[11]), frames.size() - 9 - 9) << "its length";
  EXPECT_THAT(frames, HasSubstr("kilnd speaks HTTP/1.1 here"));
}

TEST(ParseQuery, SplitsAndDecodes) {
  using Parameters = std::map<std::string, std::string>;
  EXPECT_EQ(parse_query(""), Parameters());
  EXPECT_EQ(parse_query("a"), (Parameters{{"a", ""}}));
  EXPECT_EQ(parse_query("a=1&b=x%3Dy&c%20d="), (Parameters{{"a", "1"}, {"b", "x=y"}, {"c d", ""}}));
  EXPECT_EQ(parse_query("a=1=2&"), (Parameters{{"a", "1=2"}}));
  for (const char* wrong : {"a=%", "a=%4", "%zz=1", "a&a"})
    EXPECT_THROW(static_cast<void>(parse_query(wrong)), HttpError) << wrong;
}

TEST(DetectProtocol, DecidesAsEarlyAsItCan) {
  EXPECT_EQ(detect_protocol(""), Protocol::undecided);
  EXPECT_EQ(detect_protocol("P"), Protocol::undecided);
  EXPECT_EQ(detect_protocol("PRI"), Protocol::undecided);
  EXPECT_EQ(detect_protocol("PRI * HTTP/2.0"), Protocol::http2);
  EXPECT_EQ(detect_protocol("PO"), Protocol::http1);
  EXPECT_EQ(detect_protocol("\x16\x03"), Protocol::http1);
}

}  // namespace
}  // namespace kiln::daemon
