#include "builder/ops/arriving_blob.h"

#include <gtest/gtest.h>

#include <future>
#include <string>
#include <thread>

#include "proto/error.h"
#include "tests/support/scratch.h"

namespace kiln::ops {
namespace {

std::string read_all(Source& source) {
  std::string text;
  std::string buffer(7, '\0');
  while (const std::size_t count = source.read(std::as_writable_bytes(std::span(buffer))))
    text.append(buffer, 0, count);
  return text;
}

class ArrivingBlobTest : public ::testing::Test {
 protected:
  std::unique_ptr<Source> reader() { return ArrivingBlob::read(blob_, stop_.get_token()); }
  std::future<std::string> read_aside() {
    return std::async(std::launch::async, [source = reader()] { return read_all(*source); });
  }
  [[nodiscard]] bool has_temporary_files() const {
    return !std::filesystem::is_empty(scratch_ / "tmp");
  }

  test::Scratch scratch_;
  store::BlobStore store_{scratch_.path()};
  std::shared_ptr<ArrivingBlob> blob_ = std::make_shared<ArrivingBlob>(store_);
  std::stop_source stop_;
};

TEST_F(ArrivingBlobTest, IsReadBeforeAllOfItIsThere) {
  const auto sink = blob_->open();
  sink->write(as_bytes(std::string_view("abc")));
  const auto source = reader();
  std::string buffer(8, '\0');
  EXPECT_EQ(source->read(std::as_writable_bytes(std::span(buffer))), 3U);
  EXPECT_EQ(buffer.substr(0, 3), "abc");
}

TEST_F(ArrivingBlobTest, EndsOnlyWhenItsBytesAreVerified) {
  const auto sink = blob_->open();
  std::future<std::string> text = read_aside();
  sink->write(as_bytes(std::string_view("all of it")));
  EXPECT_EQ(text.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  sink->finish();
  EXPECT_EQ(text.get(), "all of it");
}

TEST_F(ArrivingBlobTest, IsReadToItsEndAfterItWasCommitted) {
  const auto sink = blob_->open();
  const auto source = reader();
  sink->write(as_bytes(std::string_view("text")));
  sink->finish();
  blob_->commit(sha256("text"));
  blob_->close();
  EXPECT_TRUE(store_.has(sha256("text"), 4));
  EXPECT_EQ(read_all(*source), "text");
  EXPECT_FALSE(has_temporary_files());
}

TEST_F(ArrivingBlobTest, TellsItsReadersWhenItBeginsAgain) {
  auto sink = blob_->open();
  sink->write(as_bytes(std::string_view("wro")));
  std::future<std::string> text = read_aside();
  sink = blob_->open();
  EXPECT_THROW(text.get(), BegunAgain);

  text = read_aside();
  sink->write(as_bytes(std::string_view("right")));
  sink->finish();
  EXPECT_EQ(text.get(), "right");
}

TEST_F(ArrivingBlobTest, FailsForItsReadersWhenItWillNotComeToItsEnd) {
  const auto sink = blob_->open();
  sink->write(as_bytes(std::string_view("half")));
  std::future<std::string> text = read_aside();
  blob_->close();
  EXPECT_THROW(text.get(), Error);
  EXPECT_THROW(reader(), Error);
  EXPECT_FALSE(has_temporary_files());
}

TEST_F(ArrivingBlobTest, LetsAWaitingReaderBeStopped) {
  const auto sink = blob_->open();
  std::future<std::string> text = read_aside();
  stop_.request_stop();
  try {
    text.get();
    FAIL() << "the read ended";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::cancelled);
  }
}

}  // namespace
}  // namespace kiln::ops
