// A blob while it is written: others read what is there already.
//
// The bytes go through the blob's temporary file: a reader that is slower than the writer holds up
// nothing, and memory does not grow with the blob.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>

#include "builder/os/fd.h"
#include "proto/bytes.h"
#include "proto/oci.h"

namespace kiln::store {

class GrowingBlob : public std::enable_shared_from_this<GrowingBlob> {
 public:
  explicit GrowingBlob(boost::asio::any_io_executor loop);

  // The writer's side, on any thread.

  /// The file that it is written to.
  void begin(const std::filesystem::path& file);
  /// So many bytes are in the file now.
  void grow(std::uint64_t size_bytes);
  /// It is whole, and in the store.
  void finish(oci::Descriptor descriptor);
  /// No more will come, unless it is finished.
  void abandon() noexcept;

  // The readers' side.

  /// Reads what is there; a read at the present end gives 0. On any thread, once more() has given
  /// true.
  [[nodiscard]] std::unique_ptr<Source> open() const;
  /// Waits until there is a good deal more than `read_bytes`, or the end; false when those were
  /// all. Throws Error{unavailable} when it was abandoned. On the event loop.
  boost::asio::awaitable<bool> more(std::uint64_t read_bytes);
  /// What it has become; nullopt before.
  [[nodiscard]] std::optional<oci::Descriptor> descriptor() const;
  /// Waits until it is finished (true) or abandoned (false). On the event loop.
  boost::asio::awaitable<bool> ended();

 private:
  void wake();
  boost::asio::awaitable<void> wait();

  boost::asio::any_io_executor loop_;
  boost::asio::steady_timer changed_;
  mutable std::mutex mutex_;
  os::Fd file_;
  std::uint64_t size_bytes_ = 0;
  std::optional<oci::Descriptor> descriptor_;
  bool abandoned_ = false;
  bool waking_ = false;
};

}  // namespace kiln::store
