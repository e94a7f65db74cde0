#include "builder/early_push.h"

#include "builder/solver/phase_timer.h"

namespace kiln {

namespace asio = boost::asio;

EarlyPush::EarlyPush(asio::any_io_executor executor,
                     registry::Client& registry,
                     registry::CredentialsProvider credentials,
                     solver::Listener listener)
    : executor_(executor),
      registry_(registry),
      credentials_(std::move(credentials)),
      listener_(std::move(listener)),
      tasks_(std::move(executor)) {}

void EarlyPush::begin(Reference repository, std::shared_ptr<store::GrowingBlob> blob) {
  if (tasks_.running() == 0) tasks_.spawn(send(std::move(repository), std::move(blob)));
}

asio::awaitable<void> EarlyPush::join() {
  co_await tasks_.join();
}

asio::awaitable<void> EarlyPush::stop() {
  tasks_.cancel();
  co_await tasks_.join();
}

asio::awaitable<void> EarlyPush::send(Reference repository,
                                      std::shared_ptr<store::GrowingBlob> blob) {
  os::Event ended(executor_);
  os::TaskGroup upload(executor_);
  upload.spawn(this->upload(repository, blob, ended));
  upload.spawn(watch(repository, blob, upload, ended));
  try {
    co_await upload.join();
  } catch (const std::exception&) {
    co_return;  // stopped
  }
}

asio::awaitable<void> EarlyPush::upload(Reference repository,
                                        std::shared_ptr<store::GrowingBlob> blob,
                                        os::Event& ended) {
  try {
    solver::PhaseTimer timer(listener_, Phase::push, repository.familiar());
    store::AsyncBlobReader reader(blob);
    // Nothing can be opened before something is there.
    if (co_await reader.more(0)) {
      const registry::GrowingSource source{
          [&reader] { return reader.open(); },
          [&reader](std::uint64_t read_bytes) { return reader.more(read_bytes); },
          [blob] { return blob->descriptor().value(); }};
      if (co_await registry_.put_growing_blob(repository, source, credentials_))
        timer.stop(blob->descriptor()->size_bytes);
    }
  } catch (const std::exception&) {
    // The push asks whether the registry has the blob, and sends what it lacks.
  }
  ended.set();
}

/// What the registry turns out to have, once the digest is known, need not be sent to its end.
asio::awaitable<void> EarlyPush::watch(Reference repository,
                                       std::shared_ptr<store::GrowingBlob> blob,
                                       os::TaskGroup& upload,
                                       os::Event& ended) {
  try {
    if (!co_await blob->ended() || ended.is_set()) co_return;
    if (co_await registry_.has_blob(repository, *blob->descriptor(), credentials_)) upload.cancel();
  } catch (const std::exception&) {
    co_return;  // the upload meets the same registry, and the push says what is wrong with it
  }
}

}  // namespace kiln
