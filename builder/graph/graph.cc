#include "builder/graph/graph.h"

#include <algorithm>
#include <ranges>

#include "proto/error.h"

namespace kiln::graph {

VertexId Graph::add(Vertex vertex) {
  const VertexId id = vertices_.size();
  check(std::ranges::all_of(vertex.inputs, [id](VertexId input) { return input < id; }),
        "a vertex's inputs precede it");
  vertices_.push_back(std::move(vertex));
  return id;
}

std::vector<VertexId> Graph::closure(const std::vector<VertexId>& targets) const {
  std::vector<bool> needed(vertices_.size());
  for (const VertexId target : targets)
    needed.at(target) = true;
  for (VertexId id = vertices_.size(); id-- > 0;) {
    if (!needed[id]) continue;
    for (const VertexId input : vertices_[id].inputs)
      needed[input] = true;
  }
  std::vector<VertexId> result;
  for (VertexId id = 0; id < vertices_.size(); ++id) {
    if (needed[id]) result.push_back(id);
  }
  return result;
}

std::vector<VertexId> Graph::only_stacked(VertexId target) const {
  std::vector<bool> looked_into(vertices_.size());
  std::vector<bool> stacked(vertices_.size());
  stacked.at(target) = true;
  std::vector<VertexId> result;
  const std::vector<VertexId> needed = closure({target});
  // Users come before what they use.
  for (const VertexId id : std::views::reverse(needed)) {
    const bool only = stacked[id] && !looked_into[id];
    if (only) result.push_back(id);
    const bool merges = only && std::holds_alternative<MergeOp>(vertices_[id].op);
    for (const VertexId input : vertices_[id].inputs)
      (merges ? stacked : looked_into)[input] = true;
  }
  return result;
}

bool is_source(const Vertex& vertex) {
  return std::holds_alternative<SourceOp>(vertex.op);
}

bool is_scratch(const Vertex& vertex) {
  const auto* file = std::get_if<FileOp>(&vertex.op);
  return file && file->actions.empty() && vertex.inputs.empty();
}

const LocalSource* local_source(const Vertex& vertex) {
  const auto* source = std::get_if<SourceOp>(&vertex.op);
  return source ? std::get_if<LocalSource>(source) : nullptr;
}

const ImageSource* image_source(const Vertex& vertex) {
  const auto* source = std::get_if<SourceOp>(&vertex.op);
  return source ? std::get_if<ImageSource>(source) : nullptr;
}

const HttpSource* http_source(const Vertex& vertex) {
  const auto* source = std::get_if<SourceOp>(&vertex.op);
  return source ? std::get_if<HttpSource>(source) : nullptr;
}

const GitSource* git_source(const Vertex& vertex) {
  const auto* source = std::get_if<SourceOp>(&vertex.op);
  return source ? std::get_if<GitSource>(source) : nullptr;
}

}  // namespace kiln::graph
