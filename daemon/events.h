// Events on their way to one client: the builder pushes and never waits, a writer pops bytes.
//
//   push → [text being joined] → lines in memory → lines in a file, when memory is full → pop
//
// Invariant: lines leave in the order of their events, and no log is dropped. A client that reads
// slowly costs Limits::memory_bytes, then disk; one that leaves Limits::spill_bytes unread is cut
// off: the backlog is dropped and the stream ends with `failed`. Thread: the event loop's.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "builder/os/task_group.h"
#include "daemon/spill.h"
#include "proto/log_text.h"
#include "proto/messages.h"

namespace kiln::daemon {

class EventQueue {
 public:
  struct Limits {
    std::size_t memory_bytes = 1024 * 1024;
    std::uint64_t spill_bytes = 1024ULL * 1024 * 1024;
    std::filesystem::path spill_directory = "/tmp";
  };

  EventQueue(boost::asio::any_io_executor executor, Limits limits);

  /// Never blocks, never throws for a client's sake; without effect once ended.
  void push(BuildEvent event);
  /// Pushes the last event.
  void finish(BuildEvent last);
  /// Drops everything: nobody reads any more.
  void abandon();

  /// The next bytes, whole lines except for what comes out of the file; waits for them. "" when
  /// ended and drained. One caller at a time.
  boost::asio::awaitable<std::string> pop();

  /// Set when the client was cut off.
  [[nodiscard]] os::Event& cut_off() noexcept { return cut_off_; }

 private:
  void join_log(StepLog log);
  void flush_log();
  void write_line(const BuildEvent& event);
  void cut(std::string why);
  void wake();
  [[nodiscard]] bool has_bytes() const noexcept;

  boost::asio::any_io_executor executor_;
  Limits limits_;
  LogText text_;
  std::optional<StepLog> joined_;  ///< newer than all lines
  std::string lines_;              ///< the oldest lines
  Spill spill_;                    ///< the lines after those
  bool ended_ = false;
  os::Event cut_off_;
  os::Event* popper_ = nullptr;
};

}  // namespace kiln::daemon
