// What the solver asks of the outside: it decides what must run, an executor runs it.
//
// Two implementations: ops (the real one) and the tests' recorder.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/graph/graph.h"
#include "builder/graph/key_encoding.h"
#include "builder/store/database.h"
#include "proto/messages.h"

namespace kiln::solver {

/// A root file system: layers, bottom first.
using Stack = std::vector<store::LayerId>;

/// Time that was spent on one thing.
struct PhaseSpan {
  Phase phase = Phase::run;
  std::string item;  ///< which layer, image or context; may be ""
  std::chrono::steady_clock::time_point from;
  std::chrono::steady_clock::time_point to;
  std::uint64_t bytes = 0;  ///< that went through it; 0 when that says nothing
};

/// Follows one step while it runs.
class StepListener {
 public:
  virtual ~StepListener() = default;
  virtual void log(int stream, std::string_view text) = 0;
  virtual void progress(std::string_view item,
                        std::uint64_t current_bytes,
                        std::uint64_t total_bytes) = 0;
  /// A phase has ended.
  virtual void phase(const PhaseSpan& /*span*/) {}
  /// Why the step was not taken from the cache; its number is the listener's to fill in.
  virtual void explained(const StepExplained& /*explained*/) {}
};

/// Shared, because work that several wait for may outlive who began it.
using Listener = std::shared_ptr<StepListener>;

/// Of work that is no step and shows nothing.
class SilentListener final : public StepListener {
 public:
  void log(int /*stream*/, std::string_view /*text*/) override {}
  void progress(std::string_view /*item*/,
                std::uint64_t /*current_bytes*/,
                std::uint64_t /*total_bytes*/) override {}
};

/// Runs the vertices of one build. Shared: work that another build also waits for outlives its
/// build.
class Executor : public std::enable_shared_from_this<Executor> {
 public:
  virtual ~Executor() = default;

  /// What a source vertex's key consists of: an image's manifest, the content of selected local
  /// files.
  virtual boost::asio::awaitable<std::vector<graph::KeyPart>> source_parts(graph::VertexId vertex,
                                                                           Listener listener) = 0;

  /// The content of what a vertex takes from one of its inputs (the files that a COPY or a mount
  /// selects), whose file system is `stack`. nullopt: that input counts as a whole.
  virtual boost::asio::awaitable<std::optional<std::vector<graph::KeyPart>>> content_parts(
      graph::VertexId vertex, std::size_t input, Stack stack, Listener listener) = 0;

  /// The root file system of a source vertex; for local files, which have none of their own, it is
  /// empty.
  virtual boost::asio::awaitable<Stack> load(graph::VertexId vertex, Listener listener) = 0;

  /// Executes an exec, file, merge or diff vertex on its inputs' file systems.
  virtual boost::asio::awaitable<Stack> run(graph::VertexId vertex,
                                            std::vector<Stack> inputs,
                                            Listener listener) = 0;

  /// The list of the files that a local source selects, kept for later explanations; "" when there
  /// is none.
  virtual boost::asio::awaitable<std::string> keep_file_list(graph::VertexId /*source*/) {
    co_return "";
  }

  /// The files that a local source selects, compared with an earlier list of such; nothing when
  /// that is gone.
  virtual boost::asio::awaitable<std::vector<Difference>> compare_files(
      graph::VertexId /*source*/, std::string /*earlier_list*/) {
    co_return std::vector<Difference>{};
  }

  /// False when something of the stack is gone for good, so that the record which names it is a
  /// miss.
  [[nodiscard]] virtual bool usable(const std::vector<store::LayerRow>& layers) const = 0;
};

}  // namespace kiln::solver
