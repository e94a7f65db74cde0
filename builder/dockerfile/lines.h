// Physical lines, and the logical lines that continuation makes of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/dockerfile/ast.h"

namespace kiln::dockerfile {

struct Line {
  std::string_view text;  ///< with its end
  std::size_t offset = 0;
  int number = 0;

  /// Without its end ("\n", "\r\n").
  [[nodiscard]] std::string_view body() const;
};

/// Gives the lines of a text; throws Mistake for one that is too long.
class LineReader {
 public:
  explicit LineReader(std::string_view text);

  [[nodiscard]] std::optional<Line> next();
  /// Of the line that `next` gave last, or failed to give.
  [[nodiscard]] int number() const noexcept { return number_; }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  int number_ = 0;
};

/// An instruction's lines, joined.
struct LogicalLine {
  std::string text;
  std::vector<Segment> segments;
  int first_line = 0;
  int last_line = 0;
  int empty_line = 0;  ///< an empty line among the continuation lines, or 0
};

/// Joins `first` with the lines that continue it. Comments between them vanish.
[[nodiscard]] LogicalLine read_logical_line(const Line& first, LineReader& reader, char escape);

[[nodiscard]] bool is_comment(std::string_view line);

}  // namespace kiln::dockerfile
