#include "registry-client/blob_download.h"

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "builder/os/offload.h"
#include "proto/digest.h"
#include "registry-client/progress_meter.h"

namespace kiln::registry {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kChunkBytes = 256U * 1024;

/// The pool's side: a verified sink whose own failures are told apart from wrong bytes.
class Receiver {
 public:
  Receiver(const OpenSink& open, const oci::Descriptor& descriptor) {
    guard([&] {
      sink_ = open();
      check(sink_ != nullptr, "a blob's sink opens");
      verified_.emplace(*sink_, descriptor.digest, descriptor.size_bytes);
    });
  }
  void write(Bytes bytes) {
    guard([&] { verified_->write(bytes); });
  }
  void finish() {
    guard([&] { verified_->finish(); });
  }

 private:
  template <class Work>
  void guard(Work work) {
    try {
      work();
    } catch (const Error& error) {
      if (error.code() == Errc::corrupt) throw;
      throw SinkFailed{std::current_exception()};
    } catch (...) {
      throw SinkFailed{std::current_exception()};
    }
  }

  std::unique_ptr<Sink> sink_;
  std::optional<VerifyingSink> verified_;
};

std::string blob_path(const oci::Descriptor& descriptor) {
  return fmt::format("blobs/{}", descriptor.digest.str());
}

}  // namespace

asio::awaitable<void> download_blob(Session& session,
                                    asio::thread_pool& pool,
                                    oci::Descriptor descriptor,
                                    const OpenSink& open,
                                    ProgressFn progress) {
  Request request{"GET", co_await session.url(blob_path(descriptor)), {}, {}, nullptr};
  auto response = co_await session.send(std::move(request));
  auto receiver =
      co_await os::offload(pool, [&] { return std::make_unique<Receiver>(open, descriptor); });

  ProgressMeter meter(std::move(progress));
  std::vector<std::byte> chunk(kChunkBytes);
  for (;;) {
    const std::size_t count = co_await response.read(chunk);
    const auto bytes = std::span(chunk).first(count);
    const bool last = count < chunk.size();
    const auto where = response.url().redacted();
    co_await os::offload(pool, [&] {
      within(where, [&] {
        if (!bytes.empty()) receiver->write(bytes);
        if (last) receiver->finish();
      });
    });
    meter.advance(count);
    if (last) break;
  }
  meter.finish();
}

asio::awaitable<bool> blob_exists(Session& session, oci::Descriptor descriptor) {
  Request request{"HEAD", co_await session.url(blob_path(descriptor)), {}, {}, nullptr};
  const auto response = co_await session.send(std::move(request), 404);
  co_return response.status() != 404;
}

}  // namespace kiln::registry
