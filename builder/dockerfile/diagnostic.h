// Mistakes in a Dockerfile, shown with their place: file:line:column, the source line and a caret.
#pragma once

#include <string>
#include <vector>

#include "builder/graph/graph.h"
#include "proto/error.h"

namespace kiln::dockerfile {

struct Diagnostic {
  std::string message;       ///< lower case, no full stop: what is wrong with the thing quoted
  std::string hint;          ///< what to do, "" when nothing useful can be said
  graph::SourceRange range;  ///< lines, from 1
  int column = 0;            ///< from 1, in bytes; 0 when the whole line is meant
  std::string rule;          ///< lint rule name for warnings, "" for errors
};

/// The user's Dockerfile is wrong. what() is the complete text to show: one block a diagnostic.
class DockerfileError : public Error {
 public:
  DockerfileError(std::string text, std::vector<Diagnostic> diagnostics)
      : Error(Errc::invalid_input, std::move(text)), diagnostics_(std::move(diagnostics)) {}
  [[nodiscard]] const std::vector<Diagnostic>& diagnostics() const noexcept { return diagnostics_; }

  /// What the linter had found before; not part of what().
  [[nodiscard]] const std::vector<Diagnostic>& warnings() const noexcept { return warnings_; }
  void set_warnings(std::vector<Diagnostic> warnings) { warnings_ = std::move(warnings); }

 private:
  std::vector<Diagnostic> diagnostics_;
  std::vector<Diagnostic> warnings_;
};

}  // namespace kiln::dockerfile
