#include "builder/early_blobs.h"

#include <memory>

namespace kiln {

namespace asio = boost::asio;

EarlyBlobs::EarlyBlobs(asio::any_io_executor executor,
                       ops::Layers& layers,
                       os::Limiter& places,
                       registry::CredentialsProvider credentials,
                       solver::Listener listener)
    : layers_(layers),
      places_(places),
      credentials_(std::move(credentials)),
      listener_(std::move(listener)),
      tasks_(std::move(executor)) {}

void EarlyBlobs::begin(solver::Stack stack) {
  tasks_.spawn(make(std::move(stack)));
}

asio::awaitable<void> EarlyBlobs::stop() {
  tasks_.cancel();
  co_await tasks_.join();
}

asio::awaitable<void> EarlyBlobs::make(solver::Stack stack) {
  try {
    const os::Limiter::Slot place = co_await places_.acquire(this);
    co_await layers_.with_blobs(std::move(stack), credentials_, listener_);
  } catch (const std::exception&) {
    co_return;  // the one who needs the blob asks for it again, and is told
  }
}

}  // namespace kiln
