#include "builder/dockerfile/lines.h"

#include <fmt/format.h>

#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

/// source: BuildKit reads with bufio.Scanner, whose longest token is 64 KiB - 1.
constexpr std::size_t kMaxLineBytes = 65'535;

/// Cuts the escape character that ends a line (blanks may follow it); an escaped one ends none.
bool cut_continuation(std::string_view& line, char escape) {
  std::string_view rest = line;
  while (rest.ends_with(' ') || rest.ends_with('\t'))
    rest.remove_suffix(1);
  if (!rest.ends_with(escape)) return false;
  rest.remove_suffix(1);
  if (rest.ends_with(escape)) return false;
  line = rest;
  return true;
}

}  // namespace

std::string_view Line::body() const {
  std::string_view result = text;
  while (result.ends_with('\n') || result.ends_with('\r'))
    result.remove_suffix(1);
  return result;
}

LineReader::LineReader(std::string_view text) : text_(text) {
  if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
}

std::optional<Line> LineReader::next() {
  if (at_ >= text_.size()) return std::nullopt;
  ++number_;
  const std::size_t end = text_.find('\n', at_);
  const std::size_t length = (end == std::string_view::npos ? text_.size() : end) - at_;
  if (length > kMaxLineBytes) {
    throw Mistake(fmt::format("dockerfile line greater than max allowed size of {}", kMaxLineBytes),
                  "break it with continuation lines");
  }
  const Line line{text_.substr(at_, length + (end == std::string_view::npos ? 0 : 1)), at_,
                  number_};
  at_ += line.text.size();
  return line;
}

bool is_comment(std::string_view line) {
  return trim_left(line).starts_with('#');
}

LogicalLine read_logical_line(const Line& first, LineReader& reader, char escape) {
  LogicalLine logical;
  logical.first_line = logical.last_line = first.number;
  std::string_view body = trim_left(first.body());
  const auto add = [&](const Line& line) {
    const auto offset = static_cast<std::size_t>(body.data() - line.text.data());
    const bool continues = cut_continuation(body, escape);
    logical.segments.push_back({logical.text.size(), line.offset + offset});
    logical.text += body;
    return continues;
  };
  bool continues = add(first);
  while (continues) {
    const std::optional<Line> line = reader.next();
    if (!line) break;
    logical.last_line = line->number;
    body = line->body();
    if (is_comment(body)) continue;
    if (trim_left(body).empty()) {
      if (logical.empty_line == 0) logical.empty_line = line->number;
      continue;
    }
    continues = add(*line);
  }
  return logical;
}

}  // namespace kiln::dockerfile
