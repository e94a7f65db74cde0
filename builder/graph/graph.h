// The build graph: an immutable DAG of vertices, inputs always before their users.
//
// A vertex without inputs whose op needs a file system (FROM scratch) starts from an empty one: the
// scratch vertex is a FileOp with no actions and no inputs.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "builder/graph/op.h"

namespace kiln::graph {

/// Index of a vertex in its graph.
using VertexId = std::size_t;

/// Where a vertex comes from in what the user wrote, for messages; lines count from 1, 0 is
/// nowhere.
struct SourceRange {
  int first_line = 0;
  int last_line = 0;
};

struct Vertex {
  Op op;
  std::vector<VertexId> inputs;  ///< each smaller than the vertex's own id
  Platform platform;
  // What follows is for people and never in the key.
  std::string name;  ///< "[stage 2/5] RUN make"
  SourceRange range;
  bool ignore_cache = false;
};

class Graph {
 public:
  /// Adds a vertex; throws Error{internal} when an input does not precede it.
  VertexId add(Vertex vertex);

  [[nodiscard]] const Vertex& operator[](VertexId id) const { return vertices_.at(id); }
  [[nodiscard]] std::size_t size() const noexcept { return vertices_.size(); }

  /// The vertices that `targets` need, themselves included, in order.
  [[nodiscard]] std::vector<VertexId> closure(const std::vector<VertexId>& targets) const;

  /// The vertices whose results become layers of `target` and that nothing which it needs looks
  /// into: itself, and what is stacked by merges only.
  [[nodiscard]] std::vector<VertexId> only_stacked(VertexId target) const;

 private:
  std::vector<Vertex> vertices_;
};

[[nodiscard]] bool is_source(const Vertex& vertex);
[[nodiscard]] bool is_scratch(const Vertex& vertex);
/// The vertex's source of that kind, or nullptr.
[[nodiscard]] const LocalSource* local_source(const Vertex& vertex);
[[nodiscard]] const ImageSource* image_source(const Vertex& vertex);
[[nodiscard]] const HttpSource* http_source(const Vertex& vertex);
[[nodiscard]] const GitSource* git_source(const Vertex& vertex);

}  // namespace kiln::graph
