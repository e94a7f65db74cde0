#include "registry-client/blob_download.h"

#include <algorithm>
#include <atomic>

#include "builder/os/task_group.h"
#include "tests/unit/registry-client/client_fixture.h"

namespace kiln::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class BlobDownload : public ClientTest {
 protected:
  BlobDownload() {
    use_http(registry_);
    registry_.add_blob("a/b", text_);
  }
  std::string repository() { return registry_.host() + "/a/b"; }

  /// Answers the first `count` GETs of the blob like this, later ones properly.
  void answer_first(int count, FakeResponse response) {
    registry_.intercept([this, count, response](const FakeRequest& request) {
      const bool matches = request.method == "GET" && answered_++ < count;
      return matches ? std::optional(response) : std::nullopt;
    });
  }

  const std::string text_ = large_text();
  std::atomic<int> answered_ = 0;
  FakeRegistry registry_;
};

TEST_F(BlobDownload, StreamsTheBytesIntoTheSink) {
  EXPECT_EQ(get_blob(repository(), descriptor_of(text_)), text_);
  EXPECT_EQ(sinks_opened_, 1);
  ASSERT_FALSE(progress_.empty());
  EXPECT_TRUE(std::ranges::is_sorted(progress_));
  EXPECT_EQ(progress_.back(), text_.size());
}

TEST_F(BlobDownload, TakesBlobsOfAnySize) {
  for (const std::size_t size : {0U, 1U, 262'143U, 262'144U, 262'145U, 524'288U}) {
    const std::string text(size, 'x');
    registry_.add_blob("a/b", text);
    EXPECT_EQ(get_blob(repository(), descriptor_of(text)), text) << size;
  }
}

TEST_F(BlobDownload, TakesChunkedBodies) {
  answer_first(1, {.body = text_, .chunked = true});
  EXPECT_EQ(get_blob(repository(), descriptor_of(text_)), text_);
}

TEST_F(BlobDownload, BeginsAgainWhenTheBodyIsCutOff) {
  answer_first(2, {.body = text_.substr(0, 300'000), .declared_size = text_.size()});
  EXPECT_EQ(get_blob(repository(), descriptor_of(text_)), text_);
  EXPECT_EQ(sinks_opened_, 3);
  EXPECT_EQ(pauses_.size(), 2U);
}

TEST_F(BlobDownload, GivesUpOnABodyThatIsAlwaysCutOff) {
  answer_first(100, {.body = "some", .declared_size = text_.size()});
  const auto error = error_of([&] { get_blob(repository(), descriptor_of(text_)); });
  EXPECT_EQ(error.code(), Errc::unavailable);
  EXPECT_THAT(error.what(), HasSubstr("in the middle of the response (tried 5 times)"));
}

TEST_F(BlobDownload, RepeatsWrongBytesOnce) {
  auto wrong = text_;
  wrong[5] = '?';
  answer_first(1, {.body = wrong});
  EXPECT_EQ(get_blob(repository(), descriptor_of(text_)), text_);

  answered_ = 0;
  answer_first(100, {.body = wrong});
  const auto error = error_of([&] { get_blob(repository(), descriptor_of(text_)); });
  EXPECT_EQ(error.code(), Errc::corrupt);
  EXPECT_THAT(error.what(), HasSubstr(registry_.host()));
  EXPECT_EQ(answered_, 2);
}

TEST_F(BlobDownload, OfMoreBytesThanExpectedIsCorrupt) {
  answer_first(100, {.body = text_ + "more"});
  EXPECT_EQ(error_of([&] { get_blob(repository(), descriptor_of(text_)); }).code(), Errc::corrupt);
}

TEST_F(BlobDownload, WaitsAsLongAsTheRegistryAsks) {
  answer_first(1, {.status = 429, .headers = {{"Retry-After", "7"}}});
  EXPECT_EQ(get_blob(repository(), descriptor_of(text_)), text_);
  EXPECT_THAT(pauses_, ElementsAre(std::chrono::seconds(7)));
}

TEST_F(BlobDownload, DoesNotRepeatWhatTheSinkRefuses) {
  struct FullDisk final : Sink {
    void write(Bytes) override { throw Error(Errc::unavailable, "write layer: no space left"); }
  };
  const auto error = error_of([&] {
    run(client().get_blob(Reference::parse(repository()), descriptor_of(text_),
                          [] { return std::make_unique<FullDisk>(); }, provider(), {}));
  });
  EXPECT_STREQ(error.what(), "write layer: no space left");
  EXPECT_EQ(registry_.count("GET", "/v2/"), 1);
}

TEST_F(BlobDownload, ThatDoesNotExistIsNotFound) {
  const auto error = error_of([&] { get_blob(repository(), descriptor_of("unknown")); });
  EXPECT_EQ(error.code(), Errc::not_found);
  EXPECT_EQ(sinks_opened_, 0);
}

TEST_F(BlobDownload, AsksWhetherABlobExists) {
  const auto reference = Reference::parse(repository());
  EXPECT_TRUE(run(client().has_blob(reference, descriptor_of(text_), provider())));
  EXPECT_FALSE(run(client().has_blob(reference, descriptor_of("unknown"), provider())));
  EXPECT_EQ(registry_.count("HEAD", "/v2/a/b/blobs/sha256:"), 2);
  EXPECT_EQ(registry_.connections(), 1);
}

/// Counts how many are under way at once.
class Crowd {
 public:
  void enter() { most_ = std::max(most_.load(), ++now_); }
  void leave() { --now_; }
  [[nodiscard]] int most() const { return most_; }

 private:
  std::atomic<int> now_ = 0;
  std::atomic<int> most_ = 0;
};

TEST_F(BlobDownload, MovesNoMoreThanAllowedAtOnce) {
  options_.max_transfers_per_host = 2;
  Crowd crowd;
  struct Member final : Sink {
    explicit Member(Crowd& crowd_of) : crowd(crowd_of) { crowd.enter(); }
    ~Member() override { crowd.leave(); }
    void write(Bytes) override {}
    Crowd& crowd;
  };
  std::vector<asio::awaitable<void>> tasks;
  for (int i = 0; i < 8; ++i) {
    tasks.push_back(client().get_blob(Reference::parse(repository()), descriptor_of(text_),
                                      [&] { return std::make_unique<Member>(crowd); }, provider(),
                                      {}));
  }
  run(os::all_of(std::move(tasks)));
  EXPECT_GE(crowd.most(), 1);
  EXPECT_LE(crowd.most(), 2);
  EXPECT_EQ(registry_.count("GET", "/v2/a/b/blobs/"), 8);
}

}  // namespace
}  // namespace kiln::registry
