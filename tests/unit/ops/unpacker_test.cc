#include "builder/ops/unpacker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_future.hpp>
#include <functional>
#include <random>
#include <vector>

#include "builder/layer/compress.h"
#include "tests/support/fake_registry.h"
#include "tests/support/scratch.h"
#include "tests/unit/layer/tar_bytes.h"

namespace kiln::ops {
namespace {

namespace asio = boost::asio;
using test::FakeRequest;
using test::FakeResponse;
using ::testing::HasSubstr;

/// Does not compress: what the registry sends is as long.
std::string noise(std::size_t size) {
  std::mt19937 dice(1);
  std::string text(size, '\0');
  for (char& byte : text)
    byte = static_cast<char>(dice());
  return text;
}

std::string gzip(const std::string& tar) {
  StringSink blob(tar.size() * 2);
  const auto compressor = layer::make_compressor(layer::Compression::gzip, blob, 1);
  compressor->write(as_bytes(tar));
  compressor->finish();
  return blob.take();
}

struct Phases final : solver::StepListener {
  void log(int /*stream*/, std::string_view /*text*/) override {}
  void progress(std::string_view, std::uint64_t, std::uint64_t) override {}
  void phase(const solver::PhaseSpan& span) override { spans.push_back(span); }
  std::vector<solver::PhaseSpan> spans;
};

class UnpackerTest : public ::testing::Test {
 protected:
  UnpackerTest() {
    registry::Client::Options options;
    options.registries[registry_.host()].plain_http = true;
    options.sleep = [this](std::chrono::milliseconds) { return pause(); };
    client_ = std::make_unique<registry::Client>(io_, pool_, options);
    downloads_ =
        std::make_unique<BlobDownloads>(io_.get_executor(), store_->blobs(), *client_, pool_);
    unpacker_ = std::make_unique<Unpacker>(*store_, *downloads_, pool_, 2);
    layer_ = row_of(gzip(tar_));
  }

  store::LayerRow row_of(const std::string& blob) {
    registry_.add_blob("a/b", blob);
    blob_ = blob;
    store::LayerRow row;
    row.id = store::LayerId{7};
    row.diff_id = DiffId{sha256(tar_)};
    row.blob = sha256(blob);
    row.media_type = std::string(oci::kLayerGzip);
    row.blob_bytes = blob.size();
    row.origin = registry_.host() + "/a/b";
    return row;
  }

  Unpacked unpack() {
    std::optional<Unpacked> result;
    spawn(result);
    io_.restart();
    io_.run();
    done_.get();
    return std::move(result.value());
  }
  void spawn(std::optional<Unpacked>& result) {
    done_ = asio::co_spawn(io_, run(result),
                           asio::bind_cancellation_slot(cancel_.slot(), asio::use_future));
  }
  asio::awaitable<void> run(std::optional<Unpacked>& result) {
    result = co_await unpacker_->unpack(layer_, nullptr, phases_);
    co_await downloads_->drain();
  }
  asio::awaitable<void> pause() {
    if (!cancelled_in_pause_) co_return;
    asio::post(io_, [this] { cancel_.emit(asio::cancellation_type::terminal); });
    asio::steady_timer timer(io_, std::chrono::hours(1));
    co_await timer.async_wait(asio::use_awaitable);
  }

  /// Answers the first `count` GETs like this, later ones properly.
  void answer_first(int count, FakeResponse response) {
    registry_.intercept([this, count, response](const FakeRequest& request) {
      const bool matches = request.method == "GET" && answered_++ < count;
      return matches ? std::optional(response) : std::nullopt;
    });
  }

  /// The message that unpacking ends with; nothing of the layer may be left but a sound blob.
  std::string failure(Errc code) {
    try {
      unpack();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      expect_nothing_left();
      return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return {};
  }
  void expect_nothing_left() {
    EXPECT_TRUE(std::filesystem::is_empty(scratch_ / "tmp"));
    EXPECT_TRUE(std::filesystem::is_empty(scratch_ / "snapshots"));
  }
  void expect_unpacked() {
    EXPECT_EQ(test::content_of(store_->snapshot_path(layer_.id) / "file"), content_);
    EXPECT_TRUE(store_->blobs().has(*layer_.blob, layer_.blob_bytes));
    EXPECT_TRUE(std::filesystem::is_empty(scratch_ / "tmp"));
  }
  [[nodiscard]] int count_phases(Phase phase) const {
    return static_cast<int>(std::ranges::count(phases_->spans, phase, &solver::PhaseSpan::phase));
  }

  const std::string content_ = noise(3'000'000);
  const std::string tar_ =
      layer::testing::raw_entry({.name = "file", .content = content_, .link = {}}) +
      layer::testing::tar_end();
  test::Scratch scratch_;
  test::FakeRegistry registry_;
  asio::io_context io_{1};
  asio::thread_pool pool_{2};
  std::unique_ptr<store::Store> store_ = std::make_unique<store::Store>(scratch_.path());
  std::unique_ptr<registry::Client> client_;
  std::unique_ptr<BlobDownloads> downloads_;
  std::unique_ptr<Unpacker> unpacker_;
  std::shared_ptr<Phases> phases_ = std::make_shared<Phases>();
  asio::cancellation_signal cancel_;
  std::future<void> done_;
  store::LayerRow layer_;
  std::string blob_;
  std::atomic<int> answered_ = 0;
  bool cancelled_in_pause_ = false;
};

TEST_F(UnpackerTest, UnpacksALayerWhileItArrives) {
  const Unpacked unpacked = unpack();
  expect_unpacked();
  EXPECT_EQ(unpacked.applied.diff_id, *layer_.diff_id);
  ASSERT_EQ(count_phases(Phase::pull), 1);
  ASSERT_EQ(count_phases(Phase::unpack), 1);
  const auto pulled = std::ranges::find(phases_->spans, Phase::pull, &solver::PhaseSpan::phase);
  const auto written = std::ranges::find(phases_->spans, Phase::unpack, &solver::PhaseSpan::phase);
  EXPECT_LT(written->from, pulled->to);
}

TEST_F(UnpackerTest, UnpacksABlobThatIsHereWithoutAskingForIt) {
  ASSERT_EQ(store_->blobs().put(blob_), *layer_.blob);
  unpack();
  expect_unpacked();
  EXPECT_EQ(registry_.requests().size(), 0U);
}

TEST_F(UnpackerTest, BeginsAgainWithADownloadThatWasCutOff) {
  answer_first(2, {.body = blob_.substr(0, 2'000'000), .declared_size = blob_.size()});
  unpack();
  expect_unpacked();
  EXPECT_EQ(answered_, 3);
}

TEST_F(UnpackerTest, LeavesNothingOfADownloadThatIsAlwaysCutOff) {
  answer_first(100, {.body = blob_.substr(0, 2'000'000), .declared_size = blob_.size()});
  EXPECT_THAT(failure(Errc::unavailable), HasSubstr("in the middle of the response"));
  EXPECT_FALSE(store_->blobs().has(*layer_.blob));
}

TEST_F(UnpackerTest, LeavesNothingOfADownloadWithAnotherDigest) {
  // A good layer of the right size, but not the one that was asked for.
  std::string other = content_;
  other.back() = static_cast<char>(other.back() + 1);
  const std::string wrong =
      gzip(layer::testing::raw_entry({.name = "file", .content = other, .link = {}}) +
           layer::testing::tar_end());
  answer_first(100, {.body = wrong});
  EXPECT_THAT(failure(Errc::corrupt), HasSubstr(registry_.host()));
  EXPECT_FALSE(store_->blobs().has(*layer_.blob));
}

TEST_F(UnpackerTest, TakesAGoodDownloadAfterOneWithAnotherDigest) {
  std::string wrong = blob_;
  wrong[wrong.size() / 2] = static_cast<char>(wrong[wrong.size() / 2] + 1);
  answer_first(1, {.body = wrong});
  unpack();
  expect_unpacked();
}

TEST_F(UnpackerTest, RefusesABlobThatIsDamagedByItself) {
  layer_ = row_of(blob_.substr(0, blob_.size() / 2));
  EXPECT_THAT(failure(Errc::corrupt), HasSubstr("gzip"));
  EXPECT_EQ(registry_.count("GET", "/v2/a/b/blobs/"), 1);
}

TEST_F(UnpackerTest, RefusesALayerOfAnotherDiffId) {
  layer_.diff_id = DiffId{sha256("another")};
  EXPECT_THAT(failure(Errc::corrupt),
              HasSubstr("the image's configuration says " + sha256("another").str()));
}

TEST_F(UnpackerTest, EndsWhenItIsCancelledInTheMiddleOfADownload) {
  cancelled_in_pause_ = true;
  answer_first(1, {.body = blob_.substr(0, 2'000'000), .declared_size = blob_.size()});
  EXPECT_ANY_THROW(unpack());
  io_.restart();
  io_.run();  // the download ends after its last waiter has gone
  expect_nothing_left();
  EXPECT_FALSE(store_->blobs().has(*layer_.blob));
}

}  // namespace
}  // namespace kiln::ops
