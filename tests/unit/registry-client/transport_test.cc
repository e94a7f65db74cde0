#include "registry-client/transport.h"

#include <atomic>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/system_error.hpp>
#include <thread>

#include "tests/unit/registry-client/client_fixture.h"

namespace kiln::registry {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TransportTest : public ClientTest {
 protected:
  TransportTest() {
    use_http(registry_);
    registry_.add_manifest("a/b", "1", kManifestText, std::string(oci::kManifest));
    registry_.add_blob("a/b", text_);
  }
  std::string image() { return registry_.host() + "/a/b:1"; }

  /// Cancels get_blob after `delay`; true when it ended by that.
  bool cancel_download_after(milliseconds delay);

  const std::string text_ = large_text();
  FakeRegistry registry_;
};

TEST_F(TransportTest, ReusesTheConnection) {
  for (int i = 0; i < 3; ++i)
    get_manifest(image());
  EXPECT_EQ(registry_.connections(), 1);
}

TEST_F(TransportTest, ReplacesAConnectionThatTheServerClosed) {
  registry_.intercept([](const FakeRequest&) {
    return FakeResponse{.headers = {{"Content-Type", std::string(oci::kManifest)}},
                        .body = kManifestText,
                        .close_after = true};
  });
  for (int i = 0; i < 3; ++i)
    EXPECT_EQ(get_manifest(image()).bytes, kManifestText);
  EXPECT_TRUE(pauses_.empty()) << "not a failure";
}

TEST_F(TransportTest, RepeatsAtOnceWhatAKeptConnectionSwallowed) {
  std::atomic<int> asked = 0;
  registry_.intercept([&](const FakeRequest&) -> std::optional<FakeResponse> {
    if (asked++ == 1) return FakeResponse{.hang_up = true};
    return std::nullopt;
  });
  get_manifest(image());
  EXPECT_EQ(get_manifest(image()).bytes, kManifestText);
  EXPECT_TRUE(pauses_.empty());
  EXPECT_EQ(registry_.connections(), 2);
}

TEST_F(TransportTest, RetriesAServerThatHangsUp) {
  std::atomic<int> asked = 0;
  registry_.intercept([&](const FakeRequest&) -> std::optional<FakeResponse> {
    if (asked++ < 2) return FakeResponse{.hang_up = true};
    return std::nullopt;
  });
  EXPECT_EQ(get_manifest(image()).bytes, kManifestText);
  EXPECT_EQ(pauses_.size(), 2U);
}

TEST_F(TransportTest, ForwardsNoCredentialsToAnotherHost) {
  FakeRegistry storage;
  registry_.intercept([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.header("authorization").empty()) {
      return FakeResponse{.status = 401, .headers = {{"WWW-Authenticate", "Basic realm=\"r\""}}};
    }
    return FakeResponse{.status = 307,
                        .headers = {{"Location", storage.url() + "/object?signature=x"}},
                        .body = "moved"};
  });
  storage.intercept([&](const FakeRequest&) { return FakeResponse{.body = text_}; });
  credentials_ = Credentials{"user", "secret", ""};
  EXPECT_EQ(get_blob(registry_.host() + "/a/b", descriptor_of(text_)), text_);
  ASSERT_EQ(storage.requests().size(), 1U);
  EXPECT_EQ(storage.requests()[0].header("authorization"), "");
  EXPECT_EQ(storage.requests()[0].target, "/object?signature=x");
}

TEST_F(TransportTest, DoesNotAnswerTheChallengeOfAnotherHost) {
  FakeRegistry storage;
  registry_.intercept([&](const FakeRequest&) {
    return FakeResponse{.status = 302, .headers = {{"Location", storage.url() + "/object"}}};
  });
  storage.intercept([](const FakeRequest&) {
    return FakeResponse{.status = 401, .headers = {{"WWW-Authenticate", "Basic realm=\"mine\""}}};
  });
  credentials_ = Credentials{"user", "secret", ""};
  EXPECT_EQ(error_of([&] { get_manifest(image()); }).code(), Errc::denied);
  EXPECT_TRUE(asked_hosts_.empty());
}

TEST_F(TransportTest, KeepsCredentialsOnItsOwnHost) {
  registry_.intercept([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.header("authorization").empty()) {
      return FakeResponse{.status = 401, .headers = {{"WWW-Authenticate", "Basic realm=\"r\""}}};
    }
    if (request.target != "/v2/a/b/manifests/1") return std::nullopt;
    return FakeResponse{
        .status = 308,
        .headers = {{"Location", "/v2/a/b/manifests/" + sha256(kManifestText).str()}}};
  });
  credentials_ = Credentials{"user", "secret", ""};
  EXPECT_EQ(get_manifest(image()).bytes, kManifestText);
}

TEST_F(TransportTest, StopsGoingInCircles) {
  registry_.intercept([](const FakeRequest& request) {
    return FakeResponse{.status = 302, .headers = {{"Location", request.target}}};
  });
  EXPECT_THAT(error_of([&] { get_manifest(image()); }).what(), HasSubstr("too many redirects"));
  EXPECT_EQ(registry_.requests().size(), 6U);
}

TEST_F(TransportTest, GivesUpOnASilentServer) {
  options_.timeouts.idle = milliseconds(50);
  registry_.intercept(
      [](const FakeRequest&) { return FakeResponse{.delay = std::chrono::hours(1)}; });
  const auto error = error_of([&] { get_manifest(image()); });
  EXPECT_EQ(error.code(), Errc::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("no byte arrived in time"));
  EXPECT_EQ(pauses_.size(), 4U);
}

TEST_F(TransportTest, RefusesHeadersWithoutEnd) {
  registry_.intercept([](const FakeRequest&) {
    return FakeResponse{.headers = {{"X", std::string(100'000, 'x')}}};
  });
  EXPECT_THAT(error_of([&] { get_manifest(image()); }).what(), HasSubstr("not HTTP"));
}

TEST_F(TransportTest, SaysThatNobodyListens) {
  options_.registries["127.0.0.1:1"].plain_http = true;
  const auto error = error_of([&] { get_manifest("127.0.0.1:1/a/b:1"); });
  EXPECT_EQ(error.code(), Errc::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("connect to 127.0.0.1 port 1: Connection refused; is the "
                                      "registry running? (tried 3 times)"));
}

TEST_F(TransportTest, FallsBackToHttpOnLoopback) {
  options_.registries.clear();
  EXPECT_EQ(get_manifest(image()).bytes, kManifestText);
  get_manifest(image());
  EXPECT_EQ(registry_.connections(), 2) << "tried TLS once";
}

bool TransportTest::cancel_download_after(milliseconds delay) {
  asio::cancellation_signal signal;
  asio::steady_timer timer(io_, delay);
  timer.async_wait([&](auto) { signal.emit(asio::cancellation_type::terminal); });
  std::exception_ptr failure;
  io_.restart();
  asio::co_spawn(
      io_,
      client().get_blob(Reference::parse(image()), descriptor_of(text_),
                        [] { return std::make_unique<StringSink>(10'000'000); }, provider(), {}),
      asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr error) {
        failure = error;
        timer.cancel();
      }));
  io_.run();
  if (!failure) return false;
  try {
    std::rethrow_exception(failure);
  } catch (const boost::system::system_error& error) {
    return error.code() == asio::error::operation_aborted;
  }
}

TEST_F(TransportTest, LeavesNothingBehindWhenCancelled) {
  registry_.intercept(
      [&](const FakeRequest&) { return FakeResponse{.delay = std::chrono::seconds(20)}; });
  const auto start = steady_clock::now();
  EXPECT_TRUE(cancel_download_after(milliseconds(50)));
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(5)) << "the loop had nothing left";
  EXPECT_TRUE(pauses_.empty()) << "a cancellation is not retried";
}

TEST_F(TransportTest, MayBeCancelledAtAnyMoment) {
  for (int step = 0; step < 30; ++step)
    cancel_download_after(milliseconds(step / 3));
  EXPECT_EQ(get_blob(registry_.host() + "/a/b", descriptor_of(text_)), text_);
}

}  // namespace
}  // namespace kiln::registry
