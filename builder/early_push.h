// Layers that are sent to a registry while they are packed.
//
// What fails here is sent, and told, when the image is pushed: that asks for each blob first.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>

#include "builder/os/task_group.h"
#include "builder/solver/executor.h"
#include "builder/store/growing_blob.h"
#include "proto/reference.h"
#include "registry-client/client.h"

namespace kiln {

/// Thread: the event loop's.
class EarlyPush {
 public:
  /// `registry` outlives it. `listener` is told how long it took.
  EarlyPush(boost::asio::any_io_executor executor,
            registry::Client& registry,
            registry::CredentialsProvider credentials,
            solver::Listener listener);

  /// Begins to send `blob` to the repository, unless one is being sent.
  void begin(Reference repository, std::shared_ptr<store::GrowingBlob> blob);

  /// Waits until nothing is being sent.
  boost::asio::awaitable<void> join();
  /// Stops what still runs and waits for its end; before destruction.
  boost::asio::awaitable<void> stop();

 private:
  boost::asio::awaitable<void> send(Reference repository, std::shared_ptr<store::GrowingBlob> blob);
  boost::asio::awaitable<void> upload(Reference repository,
                                      std::shared_ptr<store::GrowingBlob> blob,
                                      os::Event& ended);
  boost::asio::awaitable<void> watch(Reference repository,
                                     std::shared_ptr<store::GrowingBlob> blob,
                                     os::TaskGroup& upload,
                                     os::Event& ended);

  boost::asio::any_io_executor executor_;
  registry::Client& registry_;
  registry::CredentialsProvider credentials_;
  solver::Listener listener_;
  os::TaskGroup tasks_;
};

}  // namespace kiln
