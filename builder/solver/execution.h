// One vertex whose definition key had no record: found by its content, or run; then recorded.
//
// Owns all that it needs, since it may outlive the build that began it. Thread: the event loop's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <vector>

#include "builder/solver/cache_key.h"
#include "builder/solver/executions.h"
#include "builder/solver/executor.h"
#include "builder/solver/explain.h"
#include "builder/solver/remote_records.h"

namespace kiln::solver {

/// What executing a vertex needs. The references outlive it.
struct Execution {
  std::shared_ptr<const graph::Graph> graph;
  std::shared_ptr<Executor> executor;
  Executions& executions;
  store::Database& database;
  store::LeaseTable& leases;
  graph::VertexId vertex;
  CacheKey key;
  std::vector<Digest> input_keys;     ///< definition keys of the inputs
  std::vector<SharedOutcome> inputs;  ///< and what they gave
  std::vector<DescribedInput> described;
  bool gone = false;  ///< there was a record, of layers that are gone
  std::shared_ptr<Broadcast> broadcast;
  std::shared_ptr<RemoteRecords> remote;  ///< nullptr: none is asked
  os::Limiter::Party build;               ///< shares the places for running steps with other builds
};

/// Throws what the executor throws.
boost::asio::awaitable<Executed> execute(std::shared_ptr<const Execution> execution);

}  // namespace kiln::solver
