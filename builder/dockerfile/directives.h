// Parser directives: "# name=value" lines at the very top.
//
// source: docs.docker.com "Dockerfile reference: Parser directives"
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/dockerfile/ast.h"

namespace kiln::dockerfile {

/// Reads lines until the first that is no directive.
class DirectiveReader {
 public:
  explicit DirectiveReader(std::string_view comment = "#") : comment_(comment) {}

  /// The directive that `line` is; throws Mistake for one that was there before.
  [[nodiscard]] std::optional<Directive> read(std::string_view line, int number);

 private:
  std::string comment_;
  std::vector<std::string> seen_;
  bool done_ = false;
};

/// The image that a `syntax` directive names, in any form that BuildKit recognises ("# syntax=",
/// "// syntax=", JSON), after a "#!" line too.
[[nodiscard]] std::optional<Directive> find_syntax(std::string_view text);

/// The value of a `check` directive, after a "#!" line too.
[[nodiscard]] std::optional<Directive> find_check(std::string_view text);

/// True for the images whose language this program implements itself.
[[nodiscard]] bool is_builtin_syntax(std::string_view image);

/// Throws Mistake that explains why another frontend image cannot be used.
[[noreturn]] void refuse_syntax(std::string_view image);

}  // namespace kiln::dockerfile
