// A blob on its way out: read on the pool, a chunk at a time, as often as it must be sent.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "proto/bytes.h"
#include "proto/oci.h"
#include "registry-client/client.h"
#include "registry-client/progress_meter.h"

namespace kiln::registry {

class UploadBody {
 public:
  /// `pool` must outlive this.
  UploadBody(boost::asio::thread_pool& pool,
             oci::Descriptor descriptor,
             OpenSource open,
             ProgressFn progress);
  /// Of a blob that grows; it can be sent once.
  UploadBody(boost::asio::thread_pool& pool, const GrowingSource& source);

  /// nullopt: it is known at the end only.
  [[nodiscard]] std::optional<std::uint64_t> size_bytes() const noexcept;

  /// Begins again from the first byte. Throws what opening throws.
  boost::asio::awaitable<void> rewind();

  /// The next bytes, valid until the next call; empty at the end. Throws Error{corrupt} when there
  /// are more or fewer than the descriptor says.
  boost::asio::awaitable<Bytes> next();

  /// Reports that the registry has it all.
  void finish() { progress_.finish(); }

 private:
  std::size_t read_chunk();
  void check_size(bool ended) const;

  boost::asio::thread_pool& pool_;
  std::optional<oci::Descriptor> descriptor_;
  OpenSource open_;
  std::function<boost::asio::awaitable<bool>(std::uint64_t)> more_;  ///< of a blob that grows
  ProgressMeter progress_;
  std::unique_ptr<Source> source_;
  std::vector<std::byte> chunk_;
  std::uint64_t read_bytes_ = 0;
  std::size_t last_bytes_ = 0;
};

}  // namespace kiln::registry
