#include "cli/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>

#include <condition_variable>

#include "cli/autostart.h"
#include "cli/errors.h"
#include "tests/unit/cli/scratch.h"
#include "tests/unit/cli/tiny_server.h"

namespace kiln::cli {
namespace {

using test::answer;
using test::chunk;
using test::ReceivedRequest;
using test::ScopedVariable;
using test::Scratch;
using test::stream_head;
using test::TinyServer;
using testing::ElementsAre;
using testing::HasSubstr;

class RecordingProgress final : public Progress {
 public:
  void event(const BuildEvent& /*event*/, std::string_view line) override {
    lines.emplace_back(line);
  }
  std::vector<std::string> lines;
};

class ClientTest : public testing::Test {
 protected:
  [[nodiscard]] Client client() const {
    return Client({.endpoint = {{socket_}, true}, .may_start = false});
  }
  static Credentials none(const std::string& /*registry*/) { return {}; }

  Scratch scratch_;
  std::string socket_ = scratch_ / "s.sock";
  RecordingProgress progress_;
};

constexpr const char* kFinished = R"({"event":"finished","image_digest":"sha256:abc"})";

TEST_F(ClientTest, TurnsErrorAnswersIntoErrors) {
  const TinyServer server(socket_, [](const ReceivedRequest&, int socket) {
    write_all(socket,
              answer(R"({"code":"not_found","message":"image nope: not here"})", "404 Not Found"),
              "socket");
  });
  try {
    client().call({.target = "/x"});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::not_found);
    EXPECT_STREQ(error.what(), "image nope: not here");
  }
}

TEST_F(ClientTest, SaysWhatAnAnswerIsThatIsNotTheDaemons) {
  const TinyServer server(socket_, [](const ReceivedRequest&, int socket) {
    write_all(socket, answer("<html>", "502 Bad Gateway"), "socket");
  });
  try {
    client().call({.target = "/x"});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "the daemon answered HTTP 502: <html>");
  }
}

TEST_F(ClientTest, ShowsEventsAsReceivedAndReturnsTheLast) {
  const std::string started = R"({"event":"step_started","step":1,"name":"x","newer_field":true})";
  const TinyServer server(socket_, [&](const ReceivedRequest&, int socket) {
    const std::string all = started + "\n" + kFinished + "\n";
    write_all(socket, stream_head() + chunk(all.substr(0, 20)) + chunk(all.substr(20)) + chunk(""),
              "socket");
  });
  const Outcome outcome = client().follow({.method = "POST", .target = "/x"}, progress_, none);
  EXPECT_EQ(std::get<Finished>(outcome).image_digest, "sha256:abc");
  EXPECT_THAT(progress_.lines, ElementsAre(started, kFinished));
}

TEST_F(ClientTest, AnErrorAnswerToAStreamIsAnErrorToo) {
  const TinyServer server(socket_, [](const ReceivedRequest&, int socket) {
    write_all(socket,
              answer(R"({"code":"invalid_input","message":"no descriptors"})", "400 Bad Request"),
              "socket");
  });
  try {
    static_cast<void>(client().follow({.method = "POST", .target = "/x"}, progress_, none));
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "no descriptors");
  }
  EXPECT_TRUE(progress_.lines.empty());
}

TEST_F(ClientTest, AStreamWithoutALastEventIsALostConnection) {
  std::string text;
  TinyServer server(socket_,
                    [&](const ReceivedRequest&, int socket) { write_all(socket, text, "socket"); });
  const std::string event = "{\"event\":\"step_started\",\"step\":1}\n";
  for (const std::string& broken :
       {stream_head() + chunk(event), stream_head() + chunk(event) + chunk("")}) {
    text = broken;
    EXPECT_THROW(
        static_cast<void>(client().follow({.method = "POST", .target = "/x"}, progress_, none)),
        ConnectionError);
    server.settle();
  }
}

TEST_F(ClientTest, HandsCredentialsOverOnASecondConnection) {
  std::mutex mutex;
  std::condition_variable changed;
  std::string received;
  TinyServer server(socket_, [&](const ReceivedRequest& request, int socket) {
    std::unique_lock lock(mutex);
    if (request.line.starts_with("POST /kiln/v1/credentials/")) {
      received = request.line + " " + request.body;
      write_all(socket, "HTTP/1.1 204 No Content\r\n\r\n", "socket");
      changed.notify_all();
      return;
    }
    write_all(
        socket,
        stream_head() +
            chunk(
                "{\"event\":\"credentials_needed\",\"ticket\":\"t/1\",\"registry\":\"ghcr.io\"}\n"),
        "socket");
    changed.wait(lock, [&] { return !received.empty(); });
    write_all(socket, chunk(std::string(kFinished) + "\n") + chunk(""), "socket");
  });
  const auto credentials = [](const std::string& registry) {
    return Credentials{registry + "-user", "pw", ""};
  };
  const Outcome outcome =
      client().follow({.method = "POST", .target = "/x"}, progress_, credentials);
  EXPECT_TRUE(std::holds_alternative<Finished>(outcome));
  server.settle();
  EXPECT_EQ(
      received,
      R"(POST /kiln/v1/credentials/t%2F1 HTTP/1.1 {"username":"ghcr.io-user","password":"pw"})");
}

TEST_F(ClientTest, WarnsAndGoesOnWithoutCredentialsWhenTheyCannotBeFound) {
  std::atomic<bool> answered = false;
  const TinyServer server(socket_, [&](const ReceivedRequest& request, int socket) {
    if (request.line.contains("/credentials/")) {
      answered = request.body == "{}";
      write_all(socket, "HTTP/1.1 204 No Content\r\n\r\n", "socket");
      return;
    }
    write_all(socket,
              stream_head() +
                  chunk("{\"event\":\"credentials_needed\",\"ticket\":\"t\",\"registry\":\"r\"}\n" +
                        std::string(kFinished) + "\n"),
              "socket");
  });
  const auto credentials = [](const std::string&) -> Credentials {
    throw Error(Errc::denied, "locked");
  };
  static_cast<void>(client().follow({.method = "POST", .target = "/x"}, progress_, credentials));
  EXPECT_TRUE(answered);
  ASSERT_EQ(progress_.lines.size(), 3U);
  EXPECT_EQ(progress_.lines[1], R"({"event":"warning","text":"credentials of r: locked"})");
}

TEST_F(ClientTest, ASignalEndsTheWaitAndClosesTheConnection) {
  std::atomic<bool> closed = false;
  {
    const pthread_t waiter = ::pthread_self();
    const TinyServer server(socket_, [&](const ReceivedRequest&, int socket) {
      write_all(socket, stream_head() + chunk("{\"event\":\"step_started\",\"step\":1}\n"),
                "socket");
      ::pthread_kill(waiter, SIGINT);
      char c = 0;
      closed = ::recv(socket, &c, 1, 0) <= 0;  // reset when events were left unread
    });
    try {
      static_cast<void>(client().follow({.method = "POST", .target = "/x"}, progress_, none));
      FAIL() << "not interrupted";
    } catch (const Interrupted& interrupted) {
      EXPECT_EQ(interrupted.signal, SIGINT);
    }
  }
  EXPECT_TRUE(closed);
}

TEST_F(ClientTest, SaysHowToStartTheDaemonThatWasNamed) {
  try {
    client().call({.target = "/x"});
    FAIL() << "no error";
  } catch (const ConnectionError& error) {
    EXPECT_THAT(error.what(), HasSubstr("no daemon listens on unix://" + socket_));
  }
}

TEST_F(ClientTest, TriesTheSystemsSocketAfterTheUsers) {
  const TinyServer server(socket_, [](const ReceivedRequest&, int socket) {
    write_all(socket, answer("{}"), "socket");
  });
  Client both({.endpoint = {{scratch_ / "user.sock", socket_}, false}, .may_start = false});
  EXPECT_EQ(both.call({.target = "/x"}), "{}");
  EXPECT_EQ(both.socket_path(), socket_);
}

TEST(Endpoint, IsWhatWasNamedOrTheDefault) {
  EXPECT_EQ(named_endpoint("unix:///a/b.sock", "--host").sockets,
            std::vector<std::string>{"/a/b.sock"});
  EXPECT_THROW(static_cast<void>(named_endpoint("tcp://1.2.3.4:5", "--host")), UsageError);
  EXPECT_THROW(static_cast<void>(named_endpoint("unix://" + std::string(200, '/'), "--host")),
               UsageError);
  EXPECT_THAT(default_endpoint({.privileged = true, .runtime_dir = "/run/user/0"}).sockets,
              ElementsAre("/run/kiln/kiln.sock"));
  EXPECT_THAT(default_endpoint({.privileged = false, .runtime_dir = "/run/user/7"}).sockets,
              ElementsAre("/run/user/7/kiln/kiln.sock", "/run/kiln/kiln.sock"));
  const ScopedVariable host("KILN_HOST", "unix:///from/env");
  EXPECT_EQ(find_endpoint("").sockets.front(), "/from/env");
  EXPECT_EQ(find_endpoint("unix:///flag").sockets.front(), "/flag");
}

TEST(Autostart, StartsADaemonInASessionOfItsOwnAndWaitsForItsSocket) {
  const Scratch scratch;
  if (std::system("command -v python3 >/dev/null") != 0)
    GTEST_SKIP() << "the fake daemon needs python3";
  const std::string program = scratch.write_program("kilnd", R"(#!/usr/bin/env python3
import os, socket, sys, time
print("args", sys.argv[1:], "cwd", os.getcwd(), "leader", os.getsid(0) == os.getpid(),
      "fds", sorted(int(f) for f in os.listdir("/proc/self/fd"))[:3], flush=True)
time.sleep(0.1)
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[2].removeprefix("unix://"))
listener.listen()
listener.settimeout(10)
listener.accept()
)");
  const std::string socket = scratch / "run/kiln.sock";
  const Connection connection =
      start_daemon({.socket_path = socket, .program = program, .quiet = true});
  EXPECT_EQ(read_file(scratch / "run/kilnd.log"),
            "args ['--listen', 'unix://" + socket +
                "', '--idle-exit', '600'] cwd / leader True fds [0, 1, 2]\n");
}

TEST(Autostart, ShowsTheLastLinesOfADaemonThatDies) {
  const Scratch scratch;
  const std::string program =
      scratch.write_program("kilnd", "#!/bin/sh\nseq 1 20\necho 'no overlayfs' >&2\nexit 4\n");
  scratch.write("kilnd.log", "from an earlier run\n");
  try {
    static_cast<void>(
        start_daemon({.socket_path = scratch / "kiln.sock", .program = program, .quiet = true}));
    FAIL() << "no error";
  } catch (const ConnectionError& error) {
    EXPECT_EQ(
        std::string(error.what()),
        "start a daemon: " + program +
            " ended with exit code 4:\n12\n13\n14\n15\n16\n17\n18\n19\n20\nno overlayfs (log: " +
            (scratch / "kilnd.log") + ")");
  }
}

TEST(Autostart, GivesUpOnADaemonThatNeverListens) {
  const Scratch scratch;
  const std::string program = scratch.write_program("kilnd", "#!/bin/sh\nexec sleep 60\n");
  EXPECT_THROW(static_cast<void>(start_daemon({.socket_path = scratch / "kiln.sock",
                                               .program = program,
                                               .quiet = true,
                                               .patience = std::chrono::milliseconds(50)})),
               ConnectionError);
}

}  // namespace
}  // namespace kiln::cli
