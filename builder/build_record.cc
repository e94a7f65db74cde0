#include "builder/build_record.h"

#include <boost/system/system_error.hpp>

#include "builder/build.h"
#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

/// What the log says of it.
Failed to_event(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const StepError& error) {
    return {error.code(), error.what(), error.step(), error.exit_code(), error.log_tail()};
  } catch (const Error& error) {
    return {error.code(), error.what(), {}, {}, {}};
  } catch (const boost::system::system_error&) {
    return {Errc::cancelled, "cancelled", {}, {}, {}};
  } catch (const std::exception& error) {
    return {Errc::internal, error.what(), {}, {}, {}};
  }
}

}  // namespace

asio::awaitable<void> BuildRecord::begin() {
  row_.status = "running";
  row_.started_ns = os::now_ns();
  co_await put();
}

asio::awaitable<void> BuildRecord::finish(const Finished& finished) {
  log_.write(finished);
  co_await end("done", finished.image_digest, "");
}

asio::awaitable<void> BuildRecord::fail(std::exception_ptr failure) {
  const Failed failed = to_event(failure);
  log_.write(failed);
  co_await end(failed.code == Errc::cancelled ? "cancelled" : "failed", "", failed.message);
}

asio::awaitable<void> BuildRecord::end(std::string status, std::string digest, std::string error) {
  row_.status = std::move(status);
  row_.image_digest = std::move(digest);
  row_.error = std::move(error);
  row_.finished_ns = os::now_ns();
  co_await put();
}

asio::awaitable<void> BuildRecord::put() {
  row_.steps = log_.steps();
  row_.cached_steps = log_.cached_steps();
  auto put = [this](store::Tables& tables) { tables.put_build(row_); };
  co_await database_.run(put);
}

}  // namespace kiln
