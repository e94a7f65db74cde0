#include "registry-client/blob_upload.h"

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "tests/unit/registry-client/client_fixture.h"

namespace kiln::registry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class BlobUpload : public ClientTest {
 protected:
  BlobUpload() { use_http(registry_); }
  std::string repository() { return registry_.host() + "/a/b"; }

  const std::string text_ = large_text();
  FakeRegistry registry_;
  std::atomic<int> puts_ = 0;
};

TEST_F(BlobUpload, SendsTheBytesInOnePut) {
  EXPECT_TRUE(put_blob(repository(), text_));
  EXPECT_EQ(registry_.blob("a/b", sha256(text_)), text_);
  const auto put = registry_.requests().back();
  EXPECT_EQ(put.method, "PUT");
  EXPECT_THAT(put.target, HasSubstr("?_state=abc&digest=sha256%3A"));
  EXPECT_EQ(put.header("content-length"), std::to_string(text_.size()));
  EXPECT_EQ(progress_.back(), text_.size());
  EXPECT_EQ(registry_.connections(), 1);
}

TEST_F(BlobUpload, SendsAnEmptyBlob) {
  EXPECT_TRUE(put_blob(repository(), ""));
  EXPECT_EQ(registry_.blob("a/b", sha256("")), "");
}

TEST_F(BlobUpload, SendsNothingThatIsThere) {
  registry_.add_blob("a/b", text_);
  EXPECT_FALSE(put_blob(repository(), text_));
  EXPECT_EQ(registry_.count("POST", "/"), 0);
}

TEST_F(BlobUpload, MountsFromAnotherRepository) {
  registry_.add_blob("base/image", text_);
  EXPECT_FALSE(put_blob(repository(), text_, "base/image"));
  EXPECT_EQ(registry_.blob("a/b", sha256(text_)), text_);
  EXPECT_EQ(registry_.count("PUT", "/"), 0);
  EXPECT_EQ(registry_.count("POST", "/v2/a/b/blobs/uploads/?mount=sha256%3A"), 1);
}

TEST_F(BlobUpload, SendsWhatCannotBeMounted) {
  EXPECT_TRUE(put_blob(repository(), text_, "base/image"));
  EXPECT_EQ(registry_.count("POST", "/"), 1) << "the 202 to the mount is the upload";
  EXPECT_EQ(registry_.blob("a/b", sha256(text_)), text_);
}

TEST_F(BlobUpload, SendsWhenTheRegistryCannotMount) {
  registry_.intercept([](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target.find("mount=") == std::string::npos) return std::nullopt;
    return FakeResponse{.status = 405};
  });
  EXPECT_TRUE(put_blob(repository(), text_, "base/image"));
  EXPECT_EQ(registry_.count("POST", "/"), 2);
}

TEST_F(BlobUpload, FollowsARelativeLocation) {
  registry_.intercept([](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.method != "POST") return std::nullopt;
    return FakeResponse{.status = 202, .headers = {{"Location", "the-upload?x=1"}}};
  });
  EXPECT_TRUE(put_blob(repository(), text_));
  EXPECT_THAT(registry_.requests().back().target,
              HasSubstr("/v2/a/b/blobs/uploads/the-upload?x=1&digest="));
}

TEST_F(BlobUpload, BeginsAgainAfterATemporaryFailure) {
  registry_.intercept([this](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.method != "PUT" || puts_++ > 1) return std::nullopt;
    if (puts_ == 1) return FakeResponse{.status = 502};
    return FakeResponse{.status = 404, .body = R"({"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]})"};
  });
  EXPECT_TRUE(put_blob(repository(), text_));
  EXPECT_EQ(registry_.blob("a/b", sha256(text_)), text_);
  EXPECT_EQ(registry_.count("POST", "/"), 3);
  EXPECT_EQ(pauses_.size(), 2U);
}

TEST_F(BlobUpload, HearsARefusalThatComesBeforeTheEnd) {
  registry_.intercept_head([](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.method != "PUT") return std::nullopt;
    return FakeResponse{.status = 413, .body = "layer too large"};
  });
  // More than the sockets' buffers hold: nobody reads it.
  const std::string huge(40'000'000, 'x');
  const auto error = error_of([&] { put_blob(repository(), huge); });
  EXPECT_EQ(error.status(), 413);
  EXPECT_THAT(error.what(), HasSubstr("layer too large; the registry or a proxy"));
}

TEST_F(BlobUpload, OfASourceThatIsTooShortIsCorrupt) {
  auto descriptor = descriptor_of(text_);
  descriptor.size_bytes += 10;
  const auto error = error_of([&] {
    run(client().put_blob(Reference::parse(repository()), descriptor,
                          [&] { return std::make_unique<BytesSource>(as_bytes(text_)); },
                          std::nullopt, provider(), {}));
  });
  EXPECT_EQ(error.code(), Errc::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("its source has only"));
}

TEST_F(BlobUpload, PassesOnWhatTheSourceThrows) {
  const auto error = error_of([&] {
    run(client().put_blob(
        Reference::parse(repository()), descriptor_of(text_),
        []() -> std::unique_ptr<Source> { throw Error(Errc::not_found, "open blob: gone"); },
        std::nullopt, provider(), {}));
  });
  EXPECT_STREQ(error.what(), "open blob: gone");
  EXPECT_EQ(registry_.count("POST", "/"), 1);
}

TEST_F(BlobUpload, ToAnotherHostCarriesNoCredentials) {
  FakeRegistry storage;
  registry_.intercept([&](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.header("authorization").empty()) {
      return FakeResponse{.status = 401, .headers = {{"WWW-Authenticate", "Basic realm=\"r\""}}};
    }
    if (request.method != "POST") return std::nullopt;
    return FakeResponse{.status = 202,
                        .headers = {{"Location", storage.url() + "/v2/bucket/blobs/uploads/9"}}};
  });
  credentials_ = Credentials{"user", "secret", ""};
  EXPECT_TRUE(put_blob(repository(), text_));
  EXPECT_EQ(storage.blob("bucket", sha256(text_)), text_);
  EXPECT_EQ(storage.requests().at(0).header("authorization"), "");
}

/// Gives its bytes in a few steps, each later than the last.
class GrowingUpload : public BlobUpload {
 protected:
  GrowingSource source(bool fails = false) {
    return {[this] { return std::make_unique<BytesSource>(as_bytes(text_)); },
            [this, fails](std::uint64_t read_bytes) { return more(read_bytes, fails); },
            [this] { return descriptor_of(text_); }};
  }
  asio::awaitable<bool> more(std::uint64_t read_bytes, bool fails) {
    asio::steady_timer pause(io_, std::chrono::milliseconds(5));
    co_await pause.async_wait(asio::use_awaitable);
    if (fails && read_bytes > 0) throw Error(Errc::unavailable, "the rest will not come");
    co_return read_bytes < text_.size();
  }
  bool put(GrowingSource source) {
    return run(client().put_growing_blob(Reference::parse(repository()), source, provider()));
  }
};

TEST_F(GrowingUpload, IsOneChunkOfUnknownLengthAndThenItsDigest) {
  EXPECT_TRUE(put(source()));
  EXPECT_EQ(registry_.blob("a/b", sha256(text_)), text_);
  const auto requests = registry_.requests();
  ASSERT_GE(requests.size(), 4U);
  EXPECT_EQ(requests[0].method, "POST");
  EXPECT_EQ(requests[1].method, "PATCH");
  EXPECT_EQ(requests[1].header("transfer-encoding"), "chunked");
  EXPECT_EQ(requests[2].method, "HEAD");
  EXPECT_EQ(requests[3].method, "PUT");
  EXPECT_THAT(requests[3].target, HasSubstr("?_state=next&digest=sha256%3A"));
  EXPECT_EQ(requests[3].body, "");
}

TEST_F(GrowingUpload, IsGivenUpWhenTheRepositoryHasTheBlob) {
  registry_.add_blob("a/b", text_);
  EXPECT_FALSE(put(source()));
  EXPECT_EQ(registry_.count("PUT", "/"), 0);
  EXPECT_EQ(registry_.count("DELETE", "/v2/a/b/blobs/uploads/1"), 1);
}

TEST_F(GrowingUpload, FailsOnceAndIsNotTriedAgain) {
  registry_.intercept([](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.method != "PATCH") return std::nullopt;
    return FakeResponse{.status = 500};
  });
  EXPECT_EQ(error_of([&] { put(source()); }).code(), Errc::unavailable);
  EXPECT_EQ(registry_.count("PATCH", "/"), 1);
  EXPECT_EQ(registry_.count("PUT", "/"), 0);
}

TEST_F(GrowingUpload, EndsWhenTheRestDoesNotCome) {
  EXPECT_THAT(error_of([&] { put(source(true)); }).what(), HasSubstr("will not come"));
  EXPECT_EQ(registry_.count("PUT", "/"), 0);
}

}  // namespace
}  // namespace kiln::registry
