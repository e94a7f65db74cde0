// What a target takes from whoever builds it: arguments, secrets, SSH agents and caches. It is
// known once the target is lowered; nothing is executed.
//
// source: BuildKit's "outline" subrequest
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "builder/graph/graph.h"

namespace kiln::dockerfile {

struct Outline {
  struct Argument {
    std::string name;
    std::string description;  ///< of the comment above it
    std::string value;        ///< what it is in this build
    graph::SourceRange range;
  };
  struct Need {
    std::string name;
    bool required = false;
    graph::SourceRange range;
  };

  std::string name;  ///< of the target's stage, "" when it has none
  std::string description;
  std::vector<Argument> arguments;  ///< in the order of the file, as all of these
  std::vector<Need> secrets;
  std::vector<Need> ssh;
  std::vector<Need> caches;
};

/// The arguments of one stage: what is defined there, or above the first FROM, and what of it the
/// stage uses.
class ArgumentUses {
 public:
  /// A definition; `needs` are the arguments in its default value. A later one of the same name
  /// takes its place.
  void define(Outline::Argument argument, std::set<std::string> needs = {});
  void use(const std::string& name) { used_.insert(name); }

  /// What is used, also by what is used.
  [[nodiscard]] std::vector<Outline::Argument> used() const;

 private:
  struct Definition {
    Outline::Argument argument;
    std::set<std::string> needs;
  };
  std::map<std::string, Definition> defined_;
  std::set<std::string> used_;
};

/// Adds what the commands that `target` needs have mounted, and puts everything in order.
void complete_outline(Outline& outline, const graph::Graph& graph, graph::VertexId target);

}  // namespace kiln::dockerfile
