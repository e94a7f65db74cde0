#include "builder/os/stream.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <thread>

#include "proto/error.h"

namespace kiln::os {
namespace {

TEST(StreamSource, ReadsAPipeToItsEnd) {
  Pipe pipe = make_pipe();
  ASSERT_EQ(::write(pipe.write_end.get(), "text", 4), 4);
  pipe.write_end = Fd();
  StreamSource source(std::move(pipe.read_end), "the pipe", {});
  std::array<std::byte, 16> buffer{};
  EXPECT_EQ(source.read(buffer), 4U);
  EXPECT_EQ(source.read(buffer), 0U);
}

TEST(StreamSource, AStopEndsTheWaitForBytesThatNeverCome) {
  Pipe pipe = make_pipe();
  std::stop_source stop;
  StreamSource source(std::move(pipe.read_end), "the pipe", stop.get_token());
  std::jthread stopper([&stop] {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    stop.request_stop();
  });
  std::array<std::byte, 16> buffer{};
  try {
    (void)source.read(buffer);
    ADD_FAILURE() << "read";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::cancelled);
  }
}

TEST(StreamSource, NamesWhatCannotBeRead) {
  Pipe pipe = make_pipe();
  StreamSource source(std::move(pipe.write_end), "the pipe", {});
  pipe.read_end = Fd();
  std::array<std::byte, 16> buffer{};
  try {
    (void)source.read(buffer);
    ADD_FAILURE() << "read";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("read the pipe: "));
  }
}

}  // namespace
}  // namespace kiln::os
