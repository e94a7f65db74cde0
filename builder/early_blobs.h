// Blobs of layers that an image will need, made while later steps run.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "builder/ops/layers.h"
#include "builder/os/task_group.h"

namespace kiln {

/// Thread: the event loop's.
class EarlyBlobs {
 public:
  /// The references outlive it. `places`: how many are made at once, shared by all builds, so that
  /// running steps keep most of the machine. `listener` is told how long they took.
  EarlyBlobs(boost::asio::any_io_executor executor,
             ops::Layers& layers,
             os::Limiter& places,
             registry::CredentialsProvider credentials,
             solver::Listener listener);

  /// Begins with those of `stack`. What fails is made again, and told, when the image is assembled.
  void begin(solver::Stack stack);

  /// Stops what still runs and waits for its end; before destruction.
  boost::asio::awaitable<void> stop();

 private:
  boost::asio::awaitable<void> make(solver::Stack stack);

  ops::Layers& layers_;
  os::Limiter& places_;
  registry::CredentialsProvider credentials_;
  solver::Listener listener_;
  os::TaskGroup tasks_;
};

}  // namespace kiln
