// Collects warnings, as far as "check" directives do not silence them.
//
// source: docs.docker.com "Build checks"; rule names and texts are BuildKit's.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "builder/dockerfile/ast.h"

namespace kiln::dockerfile {

/// "skip=A,B;error=true;experimental=all"
struct CheckOptions {
  bool skip_all = false;
  std::set<std::string, std::less<>> skip;
  bool experimental_all = false;
  std::set<std::string, std::less<>> experimental;
  bool error = false;

  /// Throws Mistake.
  [[nodiscard]] static CheckOptions parse(std::string_view text);

  /// True when nobody is to hear of `rule`.
  [[nodiscard]] bool silences(std::string_view rule) const;
};

class Linter {
 public:
  Linter(const Source& source, CheckOptions options)
      : source_(source), options_(std::move(options)) {}

  /// Warns about `instruction`, at `offset` in its text if that is known.
  void warn(std::string_view rule,
            const Instruction& instruction,
            std::string message,
            std::optional<std::size_t> offset = std::nullopt);
  void add(Diagnostic warning);

  /// The warnings so far, in the order of the file.
  [[nodiscard]] std::vector<Diagnostic> found() const;
  /// found(); throws DockerfileError when they count as errors.
  [[nodiscard]] std::vector<Diagnostic> take();

 private:
  const Source& source_;
  CheckOptions options_;
  std::multimap<int, Diagnostic> warnings_;  ///< by line
};

/// The rules that need neither base images nor variables: casing, stage names, MAINTAINER.
void lint_text(const Ast& ast, Linter& linter);

/// SecretsUsedInArgOrEnv for a variable of `instruction` ("ARG", "ENV").
void lint_secret(Linter& linter,
                 const Instruction& instruction,
                 std::string_view keyword,
                 const Token& name);

}  // namespace kiln::dockerfile
