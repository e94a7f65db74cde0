// The text of a Dockerfile with its lines, and the excerpts of it that messages show.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "builder/dockerfile/diagnostic.h"

namespace kiln::dockerfile {

/// A position for people: both count from 1, the column in bytes; 0 is nowhere.
struct Place {
  int line = 0;
  int column = 0;
};

class Source {
 public:
  Source(std::string name, std::string text);

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] int line_count() const noexcept { return static_cast<int>(starts_.size()); }

  /// Line `number` (from 1) without its end.
  [[nodiscard]] std::string_view line(int number) const;
  /// Where byte `offset` of the text is.
  [[nodiscard]] Place place(std::size_t offset) const;

 private:
  std::string name_;
  std::string text_;
  std::vector<std::size_t> starts_;  ///< of each line
};

/// "name:line:column: message; hint" (a warning's rule before the message) and the lines meant,
/// marked, with a caret below the column.
[[nodiscard]] std::string render(const Source& source, const Diagnostic& diagnostic);

/// All of `diagnostics` as one error.
[[nodiscard]] DockerfileError error_of(const Source& source, std::vector<Diagnostic> diagnostics);

}  // namespace kiln::dockerfile
