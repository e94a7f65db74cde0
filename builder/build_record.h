// The row that the history has of a build: that it runs, and how it ended.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <exception>
#include <string>

#include "builder/build_log.h"
#include "builder/store/database.h"
#include "proto/messages.h"

namespace kiln {

/// Thread: the event loop's.
class BuildRecord {
 public:
  /// `build`: its id, summary, target and tags. `database` and `log` outlive the record.
  BuildRecord(store::BuildRow build, store::Database& database, BuildLog& log)
      : row_(std::move(build)), database_(database), log_(log) {}

  /// Notes that it has begun.
  boost::asio::awaitable<void> begin();
  /// Notes that it is done, here and at the end of its log.
  boost::asio::awaitable<void> finish(const Finished& finished);
  /// The same of one that failed or was cancelled.
  boost::asio::awaitable<void> fail(std::exception_ptr failure);

 private:
  boost::asio::awaitable<void> end(std::string status, std::string digest, std::string error);
  boost::asio::awaitable<void> put();

  store::BuildRow row_;
  store::Database& database_;
  BuildLog& log_;
};

}  // namespace kiln
