#include "builder/store/growing_blob.h"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <fstream>
#include <future>
#include <string>
#include <thread>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::store {
namespace {

namespace asio = boost::asio;

class FollowedBlob : public ::testing::Test {
 protected:
  void write(std::string_view bytes) {
    file_ << bytes << std::flush;
    size_ += bytes.size();
    blob_->grow(size_);
  }

  /// Reads all that comes, as somebody on the event loop does.
  asio::awaitable<std::string> read_all() {
    std::string text;
    std::unique_ptr<Source> source;
    while (co_await blob_->more(text.size())) {
      if (!source) source = blob_->open();
      std::string part(100'000, 0);
      part.resize(source->read(as_writable_bytes(part)));
      text += part;
    }
    co_return text;
  }

  static MutableBytes as_writable_bytes(std::string& text) {
    return {reinterpret_cast<std::byte*>(text.data()), text.size()};
  }

  oci::Descriptor descriptor() const { return {"type", sha256("x"), size_, {}, {}}; }

  os::TempDir directory_{std::filesystem::temp_directory_path(), "kiln-growing"};
  std::filesystem::path path_ = directory_.path() / "blob";
  std::ofstream file_{path_};
  std::uint64_t size_ = 0;
  asio::io_context io_{1};
  std::shared_ptr<GrowingBlob> blob_ = std::make_shared<GrowingBlob>(io_.get_executor());
};

TEST_F(FollowedBlob, IsReadWhileItIsWrittenByAnotherThread) {
  auto read = asio::co_spawn(io_, read_all(), asio::use_future);
  std::string expected;
  std::jthread writer([&] {
    blob_->begin(path_);
    for (int i = 0; i < 500; ++i) {
      const std::string part(5000, static_cast<char>('a' + i % 26));
      expected += part;
      write(part);
    }
    blob_->finish(descriptor());
  });
  io_.run();
  writer.join();
  EXPECT_TRUE(read.get() == expected);
  EXPECT_EQ(blob_->descriptor()->size_bytes, expected.size());
}

TEST_F(FollowedBlob, ThatIsAbandonedFailsItsReaders) {
  auto read = asio::co_spawn(io_, read_all(), asio::use_future);
  auto ended = asio::co_spawn(io_, blob_->ended(), asio::use_future);
  std::jthread writer([&] {
    blob_->begin(path_);
    write(std::string(1'000'000, 'x'));
    blob_->abandon();
  });
  io_.run();
  EXPECT_THROW((void)read.get(), Error);
  EXPECT_FALSE(ended.get());
}

TEST_F(FollowedBlob, IsNotAbandonedOnceItIsFinished) {
  blob_->begin(path_);
  blob_->finish(descriptor());
  blob_->abandon();
  auto ended = asio::co_spawn(io_, blob_->ended(), asio::use_future);
  io_.run();
  EXPECT_TRUE(ended.get());
}

}  // namespace
}  // namespace kiln::store
