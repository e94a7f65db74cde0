#include "builder/dockerfile/outline.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace kiln::dockerfile {

namespace {

/// Each name once, required when any of its uses is.
void add_need(std::vector<Outline::Need>& needs,
              const std::string& name,
              bool required,
              graph::SourceRange range) {
  const auto same = std::ranges::find(needs, name, &Outline::Need::name);
  if (same == needs.end()) {
    needs.push_back({name, required, range});
  } else {
    same->required = same->required || required;
  }
}

void add_mounts(Outline& outline, const graph::ExecOp& op, graph::SourceRange range) {
  for (const graph::ExecMount& mount : op.mounts) {
    if (const auto* secret = std::get_if<graph::SecretMount>(&mount)) {
      add_need(outline.secrets, secret->id, secret->required, range);
    } else if (const auto* ssh = std::get_if<graph::SshMount>(&mount)) {
      add_need(outline.ssh, ssh->id, ssh->required, range);
    } else if (const auto* cache = std::get_if<graph::CacheMount>(&mount)) {
      add_need(outline.caches, cache->id, false, range);
    }
  }
}

template <class Entry>
void sort_by_line(std::vector<Entry>& entries) {
  std::ranges::sort(entries, {}, [](const Entry& entry) {
    return std::pair(entry.range.first_line, std::string_view(entry.name));
  });
}

}  // namespace

void ArgumentUses::define(Outline::Argument argument, std::set<std::string> needs) {
  const std::string name = argument.name;
  const auto old = defined_.find(name);
  // "ARG A=${A}x" needs what the A before it needed.
  if (needs.erase(name) > 0 && old != defined_.end()) needs.merge(old->second.needs);
  defined_.insert_or_assign(name, Definition{std::move(argument), std::move(needs)});
}

std::vector<Outline::Argument> ArgumentUses::used() const {
  std::vector<Outline::Argument> result;
  std::set<std::string> seen;
  std::vector<std::string> open(used_.begin(), used_.end());
  while (!open.empty()) {
    const std::string name = std::move(open.back());
    open.pop_back();
    const auto definition = defined_.find(name);
    if (!seen.insert(name).second || definition == defined_.end()) continue;
    result.push_back(definition->second.argument);
    open.insert(open.end(), definition->second.needs.begin(), definition->second.needs.end());
  }
  return result;
}

void complete_outline(Outline& outline, const graph::Graph& graph, graph::VertexId target) {
  for (const graph::VertexId id : graph.closure({target})) {
    const graph::Vertex& vertex = graph[id];
    if (const auto* exec = std::get_if<graph::ExecOp>(&vertex.op))
      add_mounts(outline, *exec, vertex.range);
  }
  sort_by_line(outline.arguments);
  sort_by_line(outline.secrets);
  sort_by_line(outline.ssh);
  sort_by_line(outline.caches);
}

}  // namespace kiln::dockerfile
