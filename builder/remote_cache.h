// What one build takes from caches of other machines (--cache-from), and gives to them
// (--cache-to).
//
// Reading never fails a build: what is wrong with a cache is a warning. Thread: the event loop's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <vector>

#include "builder/build.h"
#include "builder/cache/catalog.h"
#include "builder/cache/options.h"
#include "builder/cache/place.h"
#include "builder/services_parts.h"
#include "builder/solver/solver.h"

namespace kiln {

/// One platform's part of a build, solved.
struct SolvedPlatform {
  const graph::Graph& graph;
  const solver::Solver& solver;
  solver::Stack stack;  ///< of the image
};

class RemoteCache {
 public:
  /// Reads the request's flags. Throws Error{invalid_input} naming the flag. What it refers to
  /// outlives it.
  RemoteCache(const BuildRequest& request,
              Caller& caller,
              solver::StepCounter& steps,
              Services::Parts& parts);
  ~RemoteCache();
  RemoteCache(const RemoteCache&) = delete;
  RemoteCache& operator=(const RemoteCache&) = delete;

  /// What the solver of `graph` asks after a local miss; nullptr when nothing is to be asked. The
  /// caches are read when the first solver asks. Its load() must not be awaited after this object
  /// is gone; the rest may.
  std::shared_ptr<solver::RemoteRecords> records_for(std::shared_ptr<const graph::Graph> graph);

  /// After a build failed with `failure`: forgets the records of `solver`'s steps whose layers are
  /// in somebody's cache and were never seen here, and warns. True when there were some, so that
  /// the build may go better without; nothing is taken from caches then.
  boost::asio::awaitable<bool> forget_unseen(const graph::Graph& graph,
                                             const solver::Solver& solver,
                                             std::exception_ptr failure);

  /// The cache that the image of `platform` is to carry, whose layers have blobs; "" when none was
  /// asked for.
  boost::asio::awaitable<std::string> image_cache(SolvedPlatform platform);

  /// Adds what was built to each of the caches. `pushed`: where the image went.
  boost::asio::awaitable<void> export_all(std::vector<SolvedPlatform> platforms,
                                          std::vector<std::string> pushed);

 private:
  struct Reading;
  struct Export {
    cache::ExportOption option;
    std::shared_ptr<cache::Place> place;  ///< nullptr: in a registry, opened when it is written
  };
  class Records;

  boost::asio::awaitable<void> load();
  boost::asio::awaitable<void> load_one(std::shared_ptr<cache::Place> place);
  boost::asio::awaitable<void> export_one(Export target,
                                          std::vector<SolvedPlatform> platforms,
                                          std::vector<Reference> pushed);
  boost::asio::awaitable<void> write_records(cache::Place& place,
                                             bool all_steps,
                                             std::vector<SolvedPlatform> platforms,
                                             solver::Listener step);
  std::shared_ptr<cache::Place> open_import(const cache::ImportOption& option, std::size_t index);
  std::shared_ptr<cache::Place> open_export(const cache::ExportOption& option, std::size_t index);
  void warn(std::string text);

  Caller& caller_;
  solver::StepCounter& steps_;
  Services::Parts& parts_;
  std::vector<Export> exports_;
  bool in_image_ = false;
  std::shared_ptr<Reading> reading_;  ///< shared with records that outlive the build
};

}  // namespace kiln
