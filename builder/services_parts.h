// What Services holds; for builder/*.cc only.
#pragma once

#include <boost/asio/thread_pool.hpp>

#include "builder/collector.h"
#include "builder/ops/executor.h"
#include "builder/ops/failed_steps.h"
#include "builder/ops/layers.h"
#include "builder/ops/remote_sources.h"
#include "builder/sandbox/runtime.h"
#include "builder/services.h"
#include "builder/solver/executions.h"
#include "builder/store/lease.h"
#include "builder/store/store.h"
#include "registry-client/client.h"

namespace kiln {

struct Services::Parts {
  Parts(boost::asio::io_context& io, BuilderConfig configuration, int processors);

  boost::asio::any_io_executor io;
  BuilderConfig config;
  boost::asio::thread_pool pool;  ///< joined before what its work refers to goes
  store::Store store;
  store::LeaseTable leases;
  registry::Client registry;
  ops::Layers layers;
  ops::CacheMounts cache_mounts;
  ops::RemoteSources remote;
  solver::Executions executions;
  os::Limiter early_blobs;
  ops::AgentSockets agents;
  ops::FailedSteps failed_steps;
  Collector collector;
  std::unique_ptr<sandbox::Runtime> runtime;
  std::unique_ptr<ops::Workshop> workshop;
};

}  // namespace kiln
