// The solver's executor: pulls, copies and runs for one build.
//
// Thread: the event loop's; blocking work goes to the pool.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "builder/ops/agent_socket.h"
#include "builder/ops/cache_mounts.h"
#include "builder/ops/client_secrets.h"
#include "builder/ops/context.h"
#include "builder/ops/git_revision.h"
#include "builder/ops/layers.h"
#include "builder/sandbox/runtime.h"
#include "builder/solver/executor.h"
#include "builder/store/growing_blob.h"

namespace kiln::ops {

struct RemoteSources;
class FailedStep;
class FailedSteps;

/// What operations work with; lives as long as the builder.
struct Workshop {
  store::Store& store;
  Layers& layers;
  sandbox::Runtime& runtime;
  registry::Client& registry;
  RemoteSources& remote;
  boost::asio::thread_pool& pool;
  CacheMounts& cache_mounts;
  AgentSockets& agents;
  FailedSteps& failed_steps;
};

/// What one build's operations may use of its client. Work that outlives the build keeps it.
struct ClientInputs {
  std::map<std::string, std::shared_ptr<const ClientDirectory>>
      directories;  ///< by LocalSource::name
  registry::CredentialsProvider credentials;
  ClientSecrets secrets;
};

/// A command of a RUN step ended badly.
class CommandFailed : public Error {
 public:
  CommandFailed(int exit_code, std::string message, std::shared_ptr<const FailedStep> kept)
      : Error(Errc::step_failed, std::move(message)),
        exit_code_(exit_code),
        kept_(std::move(kept)) {}
  [[nodiscard]] int exit_code() const noexcept { return exit_code_; }
  /// What the step left; nullptr when it is not kept.
  [[nodiscard]] const std::shared_ptr<const FailedStep>& kept() const noexcept { return kept_; }

 private:
  int exit_code_;
  std::shared_ptr<const FailedStep> kept_;
};

class BuildExecutor final : public solver::Executor {
 public:
  BuildExecutor(std::shared_ptr<const graph::Graph> graph, ClientInputs inputs, Workshop& workshop);

  /// The layers that these vertices make are for an image only; before they run. `begun` is told of
  /// blobs that begin to be made, also when the build has ended and others wait for them.
  void want_blobs_of(const std::vector<graph::VertexId>& vertices,
                     std::function<void(std::shared_ptr<store::GrowingBlob>)> begun) {
    wanted_as_blob_.insert(vertices.begin(), vertices.end());
    blob_begun_ = std::move(begun);
  }

  boost::asio::awaitable<std::vector<graph::KeyPart>> source_parts(
      graph::VertexId vertex, solver::Listener listener) override;
  boost::asio::awaitable<std::optional<std::vector<graph::KeyPart>>> content_parts(
      graph::VertexId vertex,
      std::size_t input,
      solver::Stack stack,
      solver::Listener listener) override;
  boost::asio::awaitable<solver::Stack> load(graph::VertexId vertex,
                                             solver::Listener listener) override;
  boost::asio::awaitable<solver::Stack> run(graph::VertexId vertex,
                                            std::vector<solver::Stack> inputs,
                                            solver::Listener listener) override;
  boost::asio::awaitable<std::string> keep_file_list(graph::VertexId source) override;
  boost::asio::awaitable<std::vector<Difference>> compare_files(graph::VertexId source,
                                                                std::string earlier_list) override;
  [[nodiscard]] bool usable(const std::vector<store::LayerRow>& layers) const override;

 private:
  boost::asio::awaitable<std::vector<graph::KeyPart>> select_local(graph::VertexId vertex,
                                                                   const graph::LocalSource& local);

  std::shared_ptr<const graph::Graph> graph_;
  ClientInputs inputs_;
  Workshop& workshop_;
  std::set<graph::VertexId> wanted_as_blob_;
  std::function<void(std::shared_ptr<store::GrowingBlob>)> blob_begun_;
  std::map<graph::VertexId, ContextSelection> selections_;
  std::map<graph::VertexId, solver::Stack> fetched_;  ///< web files, once they are known
  std::map<graph::VertexId, GitRevision> revisions_;  ///< of git sources, once they are known
};

}  // namespace kiln::ops
