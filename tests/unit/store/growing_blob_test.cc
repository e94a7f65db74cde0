#include "builder/store/growing_blob.h"

#include <gtest/gtest.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <future>
#include <string>
#include <thread>

#include "proto/error.h"
#include "tests/support/scratch.h"

namespace kiln::store {
namespace {

namespace asio = boost::asio;

std::string read_some(Source& source, std::size_t size) {
  std::string part(size, '\0');
  part.resize(source.read(std::as_writable_bytes(std::span(part))));
  return part;
}

std::string read_all(Source& source, std::size_t step = 7) {
  std::string text;
  for (std::string part = read_some(source, step); !part.empty(); part = read_some(source, step))
    text += part;
  return text;
}

/// As somebody on the event loop reads.
asio::awaitable<std::string> follow(std::shared_ptr<GrowingBlob> blob) {
  AsyncBlobReader reader(blob);
  std::string text;
  std::unique_ptr<Source> source;
  while (co_await reader.more(text.size())) {
    if (!source) source = reader.open();
    text += read_some(*source, 100'000);
  }
  co_return text;
}

template <class Result>
Errc code_of(std::future<Result>& future) {
  try {
    (void)future.get();
  } catch (const Error& error) {
    return error.code();
  }
  throw std::logic_error("nothing failed");
}

class GrowingBlobTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kPlenty = 1'000'000;  ///< an asynchronous reader's turns

  BlockingBlobReader reader() { return {blob_, stop_.get_token()}; }
  std::future<std::string> read_aside(std::size_t step = 7) {
    return std::async(std::launch::async, [source = std::make_unique<BlockingBlobReader>(reader()),
                                           step] { return read_all(*source, step); });
  }
  std::future<std::string> follow_aside() {
    return asio::co_spawn(io_, follow(blob_), asio::use_future);
  }
  std::future<bool> wait_for_end() { return asio::co_spawn(io_, blob_->ended(), asio::use_future); }
  /// The event loop until nothing is left to do at once.
  void poll() {
    io_.restart();
    io_.poll();
  }
  void commit(std::string_view text) { blob_->commit({"type", sha256(text), text.size(), {}, {}}); }
  /// A whole attempt.
  void put(std::string_view text) {
    const auto sink = blob_->open();
    sink->write(as_bytes(text));
    sink->finish();
    commit(text);
  }
  [[nodiscard]] bool has_temporary_files() const {
    return !std::filesystem::is_empty(scratch_ / "tmp");
  }
  static bool is_waiting(const auto& future) {
    return future.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout;
  }

  test::Scratch scratch_;
  BlobStore store_{scratch_.path()};
  asio::io_context io_{1};
  std::shared_ptr<GrowingBlob> blob_ = std::make_shared<GrowingBlob>(store_);
  std::stop_source stop_;
};

TEST_F(GrowingBlobTest, IsReadByBothKindsOfReaderWhileItIsWritten) {
  std::future<std::string> followed = follow_aside();
  std::future<bool> ended = wait_for_end();
  const auto sink = blob_->open();
  std::future<std::string> read = read_aside(10'000);
  std::string expected;
  for (int i = 0; i < 500; ++i)
    expected += std::string(5000, static_cast<char>('a' + i % 26));
  std::jthread writer([&] {
    for (std::size_t at = 0; at < expected.size(); at += 5000)
      sink->write(as_bytes(std::string_view(expected).substr(at, 5000)));
    sink->finish();
    commit(expected);
    blob_->close();
  });
  io_.run();
  EXPECT_TRUE(followed.get() == expected);
  EXPECT_TRUE(read.get() == expected);
  EXPECT_TRUE(ended.get());
  EXPECT_EQ(blob_->descriptor()->digest, sha256(expected));
  EXPECT_TRUE(store_.has(sha256(expected), expected.size()));
}

TEST_F(GrowingBlobTest, GivesABlockingReaderWhatIsThere) {
  const auto sink = blob_->open();
  sink->write(as_bytes("abc"));
  BlockingBlobReader source = reader();
  EXPECT_EQ(read_some(source, 8), "abc");
}

TEST_F(GrowingBlobTest, GivesAnAsynchronousReaderWhatIsWorthItsTurn) {
  AsyncBlobReader reader(blob_);
  auto more = asio::co_spawn(io_, reader.more(0), asio::use_future);
  const auto sink = blob_->open();
  sink->write(as_bytes("abc"));
  poll();
  EXPECT_TRUE(is_waiting(more));
  sink->write(as_bytes(std::string(kPlenty, 'x')));
  poll();
  EXPECT_TRUE(more.get());
  EXPECT_EQ(read_all(*reader.open(), 100'000).size(), kPlenty + 3);
}

TEST_F(GrowingBlobTest, EndsForItsReadersOnlyOnceItIsInTheStore) {
  const auto sink = blob_->open();
  sink->write(as_bytes("all of it"));
  std::future<std::string> read = read_aside();
  std::future<std::string> followed = follow_aside();
  std::future<bool> ended = wait_for_end();
  sink->finish();
  poll();
  EXPECT_TRUE(is_waiting(read));
  EXPECT_TRUE(is_waiting(followed));
  EXPECT_TRUE(is_waiting(ended));
  commit("all of it");
  EXPECT_EQ(read.get(), "all of it");
  poll();
  EXPECT_TRUE(ended.get());
  EXPECT_TRUE(store_.has(sha256("all of it"), 9));
  // Less than a turn: the end alone says that there is something.
  EXPECT_EQ(followed.get(), "all of it");
}

TEST_F(GrowingBlobTest, IsReadAfterItWasCommittedAndClosed) {
  put("text");
  blob_->close();
  BlockingBlobReader source = reader();
  EXPECT_EQ(read_all(source), "text");
  std::future<std::string> followed = follow_aside();
  std::future<bool> ended = wait_for_end();
  poll();
  EXPECT_EQ(followed.get(), "text");
  EXPECT_TRUE(ended.get());
  EXPECT_FALSE(has_temporary_files());
}

TEST_F(GrowingBlobTest, HasAnEndAlsoWhenItIsEmpty) {
  std::future<std::string> followed = follow_aside();
  put("");
  BlockingBlobReader source = reader();
  EXPECT_EQ(read_all(source), "");
  poll();
  EXPECT_EQ(followed.get(), "");
}

TEST_F(GrowingBlobTest, TellsABlockingReaderThatItBeginsAgain) {
  auto sink = blob_->open();
  sink->write(as_bytes("wro"));
  std::future<std::string> text = read_aside();
  sink = blob_->open();
  EXPECT_THROW((void)text.get(), BegunAgain);

  text = read_aside();
  sink->write(as_bytes("right"));
  sink->finish();
  commit("right");
  EXPECT_EQ(text.get(), "right");
  EXPECT_FALSE(has_temporary_files());
}

TEST_F(GrowingBlobTest, FailsForAnAsynchronousReaderThatHasReadOfAnEarlierAttempt) {
  std::future<std::string> early = follow_aside();
  std::future<bool> ended = wait_for_end();
  auto sink = blob_->open();
  sink->write(as_bytes(std::string(kPlenty, 'x')));
  poll();
  sink = blob_->open();
  std::future<std::string> late = follow_aside();
  sink->write(as_bytes("right"));
  sink->finish();
  commit("right");
  poll();
  EXPECT_EQ(code_of(early), Errc::unavailable);
  EXPECT_EQ(late.get(), "right");
  EXPECT_TRUE(ended.get());
}

TEST_F(GrowingBlobTest, OpensNothingOfAnotherAttempt) {
  AsyncBlobReader reader(blob_);
  auto more = asio::co_spawn(io_, reader.more(0), asio::use_future);
  auto sink = blob_->open();
  sink->write(as_bytes(std::string(kPlenty, 'x')));
  poll();
  ASSERT_TRUE(more.get());
  sink = blob_->open();
  EXPECT_THROW((void)reader.open(), Error);
}

TEST_F(GrowingBlobTest, FailsForAllItsReadersWhenItIsClosedUnfinished) {
  const auto sink = blob_->open();
  sink->write(as_bytes("half"));
  std::future<std::string> read = read_aside();
  std::future<std::string> followed = follow_aside();
  std::future<bool> ended = wait_for_end();
  poll();
  blob_->close();
  poll();
  EXPECT_EQ(code_of(read), Errc::unavailable);
  EXPECT_EQ(code_of(followed), Errc::unavailable);
  EXPECT_FALSE(ended.get());
  EXPECT_FALSE(blob_->descriptor());
  EXPECT_THROW((void)reader(), Error);
  EXPECT_FALSE(has_temporary_files());
}

TEST_F(GrowingBlobTest, CannotBeReadWhereAThreadWouldBlockBeforeItIsBegun) {
  EXPECT_THROW((void)reader(), Error);
}

TEST_F(GrowingBlobTest, IsNotCommittedAsAnotherThanWasWritten) {
  const auto sink = blob_->open();
  sink->write(as_bytes("half"));
  EXPECT_ANY_THROW(commit("whole"));
  EXPECT_FALSE(store_.has(sha256("whole")));
  EXPECT_FALSE(blob_->descriptor());
}

TEST_F(GrowingBlobTest, LetsAWaitingThreadBeStopped) {
  const auto sink = blob_->open();
  std::future<std::string> text = read_aside();
  stop_.request_stop();
  EXPECT_EQ(code_of(text), Errc::cancelled);
}

TEST_F(GrowingBlobTest, LetsAWaitingCoroutineBeCancelled) {
  asio::cancellation_signal cancel;
  std::future<std::string> cancelled = asio::co_spawn(
      io_, follow(blob_), asio::bind_cancellation_slot(cancel.slot(), asio::use_future));
  std::future<std::string> other = follow_aside();
  poll();
  cancel.emit(asio::cancellation_type::terminal);
  poll();
  EXPECT_THROW((void)cancelled.get(), boost::system::system_error);
  put("for the other");
  poll();
  EXPECT_EQ(other.get(), "for the other");
}

}  // namespace
}  // namespace kiln::store
