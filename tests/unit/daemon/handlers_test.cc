#include "daemon/handlers/handlers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "builder/images.h"
#include "proto/cache_messages.h"
#include "proto/debug_messages.h"
#include "proto/error.h"
#include "tests/support/run_async.h"
#include "tests/unit/daemon/client.h"
#include "tests/unit/daemon/fake_builder.h"

namespace kiln::daemon {
namespace {

using kiln::test::fake_builder;
using kiln::test::FakeBuilder;
using test::Answer;
using test::Client;
using test::get;
using test::post;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

std::unique_ptr<Services> open_services() {
  boost::asio::io_context io{1};
  return kiln::test::run_async(Services::open(io, {}));
}

/// A descriptor from which `text` can be read.
os::Fd readable(std::string_view text) {
  os::Pipe pipe = os::make_pipe();
  os::write_all(pipe.write_end.get(), as_bytes(text), "pipe");
  return std::move(pipe.read_end);
}

class Handlers : public testing::Test {
 protected:
  Handlers() { fake_builder() = FakeBuilder{}; }
  Answer ask(std::string_view request, const std::vector<int>& descriptors = {}) {
    Client client = server_.connect();
    client.send(request, descriptors);
    return client.receive();
  }
  static std::string build(std::vector<std::string> roles) {
    BuildRequest request;
    request.tags = {"app:1"};
    request.target = "final";
    request.descriptors = std::move(roles);
    return post("/kiln/v1/builds", to_json(request));
  }

  std::unique_ptr<Services> services_ = open_services();
  Tickets tickets_;
  Admission admission_{1};
  Config config_;
  HandlerContext context_{*services_, tickets_, admission_, config_};
  Routes routes_ = make_routes(context_);
  test::TestServer server_{routes_};
};

TEST_F(Handlers, TellVersionAndInfo) {
  const auto version = from_json<VersionInfo>(ask(get("/kiln/v1/version")).body);
  EXPECT_EQ(version.api_version, kApiVersion);
  EXPECT_FALSE(version.version.empty());
  const auto info = from_json<DaemonInfo>(ask(get("/kiln/v1/info")).body);
  EXPECT_THAT(info.entries, Contains(testing::Pair("runtime", "fake")));
  EXPECT_THAT(info.entries, Contains(testing::Pair("builds running", "0")));
}

TEST_F(Handlers, BuildWithDescriptorsByTheirRoles) {
  const os::Fd context = readable("the context");
  const os::Fd secret = readable("the secret");
  const Answer answer = ask(build({"context", "secret:a"}), {context.get(), secret.get()});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body,
            "{\"event\":\"step_started\",\"step\":1,\"name\":\"FROM x\"}\n"
            "{\"event\":\"finished\",\"build_id\":\"b1\",\"image_digest\":\"sha256:1\","
            "\"names\":[\"app:1\"]}\n");
  EXPECT_THAT(fake_builder().calls, ElementsAre(fmt::format("build final for uid {}", ::getuid())));
  EXPECT_EQ(fake_builder().contents.at("context"), "the context");
  EXPECT_EQ(fake_builder().contents.at("secret:a"), "the secret");
}

TEST_F(Handlers, RefuseABuildWhoseDescriptorsDoNotMatch) {
  const os::Fd one = readable("x");
  const Answer fewer = ask(build({"context", "dockerfile"}), {one.get()});
  EXPECT_EQ(fewer.status, 400);
  EXPECT_THAT(fewer.body, HasSubstr("names 2 descriptors, but 1"));
  EXPECT_EQ(ask(build({}), {one.get()}).status, 400);
  EXPECT_THAT(ask(build({"context", "context"}), {one.get(), one.get()}).body,
              HasSubstr("two file descriptors have the role"));
  EXPECT_TRUE(fake_builder().calls.empty());
}

TEST_F(Handlers, RefuseABodyThatIsNoMessage) {
  EXPECT_EQ(ask(post("/kiln/v1/builds", "{")).status, 400);
  EXPECT_EQ(ask(post("/kiln/v1/images/pull", "{}")).status, 400);
}

TEST_F(Handlers, AskTheClientForCredentialsAndHandThemOn) {
  fake_builder().ask_for_credentials = true;
  Client client = server_.connect();
  client.send(build({}));
  const std::string text = client.receive_until("r:5000");
  const std::string ticket = text.substr(text.find("\"ticket\":\"") + 10, 32);
  const std::string answer = to_json(Credentials{"me", "secret", ""});
  EXPECT_EQ(ask(post("/kiln/v1/credentials/0123", answer)).status, 404);
  EXPECT_EQ(ask(post("/kiln/v1/credentials/" + ticket, answer)).status, 204);
  EXPECT_THAT(client.receive().body, HasSubstr("finished"));
  ASSERT_TRUE(fake_builder().credentials);
  EXPECT_EQ(fake_builder().credentials->password, "secret");
  EXPECT_EQ(ask(post("/kiln/v1/credentials/" + ticket, answer)).status, 404);
}

TEST_F(Handlers, TellABuildThatItWaitsForAnother) {
  fake_builder().block = true;
  Client first = server_.connect();
  first.send(build({}));
  first.receive_until("step_started");
  fake_builder().block = false;
  Client second = server_.connect();
  second.send(build({}));
  second.receive_until("waiting: 1 builds run already");
  first.close();
  EXPECT_THAT(second.receive().body, HasSubstr("finished"));
}

TEST_F(Handlers, PullPushSaveAndLoad) {
  const std::string transfer = to_json(TransferRequest{"app:1", "linux/arm64"});
  EXPECT_THAT(ask(post("/kiln/v1/images/pull", transfer)).body, HasSubstr("finished"));
  EXPECT_THAT(ask(post("/kiln/v1/images/push", transfer)).body, HasSubstr("finished"));

  const os::Pipe pipe = os::make_pipe();
  const std::string save = to_json(SaveRequest{{"app:1"}, "docker", {"output:0"}});
  EXPECT_THAT(ask(post("/kiln/v1/images/save", save), {pipe.write_end.get()}).body,
              HasSubstr("finished"));
  std::string archive(7, '\0');
  EXPECT_EQ(::read(pipe.read_end.get(), archive.data(), archive.size()), 7);
  EXPECT_EQ(archive, "archive");

  const os::Fd input = readable("an archive");
  const std::string load = to_json(SaveRequest{{}, "", {"context"}});
  EXPECT_THAT(ask(post("/kiln/v1/images/load", load), {input.get()}).body,
              HasSubstr("\"names\":[\"app:1\"]"));
  EXPECT_EQ(fake_builder().contents.at("context"), "an archive");
  EXPECT_THAT(fake_builder().calls,
              ElementsAre("pull app:1 linux/arm64", "push app:1", "save app:1 docker", "load"));
}

TEST_F(Handlers, ListSaveLoadAndRemoveCacheMounts) {
  const auto mounts =
      from_json<std::vector<CacheMountSummary>>(ask(get("/kiln/v1/cache-mounts")).body);
  ASSERT_EQ(mounts.size(), 1U);
  EXPECT_EQ(mounts[0].id, "pip");
  EXPECT_TRUE(mounts[0].shared);

  const os::Pipe pipe = os::make_pipe();
  const std::string save = to_json(CacheTransferRequest{"pip", "gzip", false, {"output:0"}});
  EXPECT_THAT(ask(post("/kiln/v1/cache-mounts/save", save), {pipe.write_end.get()}).body,
              HasSubstr("finished"));
  const os::Fd input = readable("an archive");
  const std::string load = to_json(CacheTransferRequest{"pip", "", true, {"context"}});
  EXPECT_THAT(ask(post("/kiln/v1/cache-mounts/load", load), {input.get()}).body,
              HasSubstr("finished"));
  EXPECT_EQ(fake_builder().contents.at("context"), "an archive");
  const Answer removed = ask("DELETE /kiln/v1/cache-mounts?id=a%2Fb HTTP/1.1\r\nHost: k\r\n\r\n");
  EXPECT_EQ(from_json<CacheMountsRemoved>(removed.body).freed_bytes, 7U);
  EXPECT_THAT(fake_builder().calls,
              ElementsAre("save cache pip gzip", "merge cache pip", "remove cache a/b"));
  EXPECT_EQ(ask(post("/kiln/v1/cache-mounts/load", R"({"merge":1})")).status, 400);
}

TEST_F(Handlers, DebugABuild) {
  const Answer answer =
      ask(post("/kiln/v1/debug", to_json(DebugRequest{"b1", {"ls"}, "", 0, 0, {}})));
  EXPECT_THAT(answer.body, HasSubstr(R"("exit_code":"3")"));
  EXPECT_THAT(fake_builder().calls, ElementsAre("debug b1"));
}

TEST_F(Handlers, RefuseToSaveWithoutADescriptor) {
  const Answer answer = ask(post("/kiln/v1/images/save", to_json(SaveRequest{{"a"}, "", {}})));
  EXPECT_EQ(answer.status, 400);
  EXPECT_THAT(answer.body, HasSubstr("output:0"));
}

TEST_F(Handlers, ListInspectTagAndRemoveImages) {
  EXPECT_THAT(ask(get("/kiln/v1/images")).body, HasSubstr("\"reference\":\"app:1\""));
  EXPECT_EQ(ask(get("/kiln/v1/images/inspect?name=app%3A1")).body, R"({"reference":"app:1"})");
  const Answer unknown = ask(get("/kiln/v1/images/inspect?name=other"));
  EXPECT_EQ(unknown.status, 404);
  EXPECT_EQ(from_json<ErrorReply>(unknown.body).message, "other: no such image");
  EXPECT_THAT(ask(get("/kiln/v1/images/history?name=x")).body, HasSubstr("RUN x"));
  EXPECT_EQ(ask(post("/kiln/v1/images/tag?source=a&target=b%3A2", "")).status, 204);
  EXPECT_EQ(ask(post("/kiln/v1/images/tag?source=a", "")).status, 400);
  EXPECT_EQ(ask("DELETE /kiln/v1/images?name=a HTTP/1.1\r\nHost: k\r\n\r\n").status, 204);
  EXPECT_THAT(fake_builder().calls, ElementsAre("tag a b:2", "remove a"));
}

TEST_F(Handlers, ListShowAndForgetBuilds) {
  EXPECT_THAT(ask(get("/kiln/v1/builds")).body, HasSubstr("\"id\":\"1a\""));
  EXPECT_EQ(ask(get("/kiln/v1/builds/show?id=latest")).status, 200);
  EXPECT_EQ(ask(get("/kiln/v1/builds/show")).status, 400);
  EXPECT_EQ(ask(get("/kiln/v1/builds/log?id=1a&offset=70")).body,
            R"({"next_offset":70,"running":false,"events":[]})");
  EXPECT_EQ(ask(get("/kiln/v1/builds/log?id=1a&offset=x")).status, 400);
  EXPECT_EQ(ask("DELETE /kiln/v1/builds?id=1a HTTP/1.1\r\nHost: k\r\n\r\n").body,
            R"({"builds":1,"freed_bytes":2})");
  EXPECT_THAT(fake_builder().calls, ElementsAre("show latest", "log 1a from 70", "forget 1a"));
}

TEST_F(Handlers, PruneAndTellDiskUsage) {
  EXPECT_EQ(from_json<PruneReport>(ask(post("/kiln/v1/prune", R"({"all":true})")).body).records,
            2U);
  EXPECT_EQ(from_json<PruneReport>(ask(post("/kiln/v1/prune", "")).body).records, 1U);
  EXPECT_EQ(from_json<DiskUsage>(ask(get("/kiln/v1/df")).body).rows.at(0).kind, "blobs");
  EXPECT_THAT(ask(post("/kiln/v1/fsck", "")).body, HasSubstr("damaged"));
}

}  // namespace
}  // namespace kiln::daemon
