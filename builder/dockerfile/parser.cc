// Text → Ast: directives, logical lines, here-documents; what an instruction means is commands.h.
#include <algorithm>
#include <utility>

#include "builder/dockerfile/ast.h"
#include "builder/dockerfile/commands.h"
#include "builder/dockerfile/directives.h"
#include "builder/dockerfile/document.h"
#include "builder/dockerfile/heredoc.h"
#include "builder/dockerfile/lines.h"
#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/text.h"
#include "builder/dockerfile/words.h"

namespace kiln::dockerfile {

namespace {

/// A wrong beginning makes everything after it wrong: more errors than this help nobody.
constexpr std::size_t kMaxErrors = 5;

class Parser {
 public:
  Parser(std::string name, std::string text)
      : ast_{Source(std::move(name), std::move(text)), {}, '\\', {}, {}},
        reader_(ast_.source.text()) {}

  /// What could be read; mistakes() has the rest.
  [[nodiscard]] Ast run() {
    try {
      while (errors_.size() < kMaxErrors) {
        const std::optional<Line> line = reader_.next();
        if (!line) break;
        read(*line);
      }
    } catch (const Mistake& mistake) {
      add_error(mistake, reader_.number());
    }
    find_directives();
    if (errors_.empty()) check_whole();
    return std::move(ast_);
  }

  [[nodiscard]] std::vector<Diagnostic> mistakes() { return std::move(errors_); }

 private:
  void read(const Line& line) {
    const std::string_view body = trim_left(line.body());
    if (const auto directive = directives_.read(body, line.number)) {
      if (directive->name == "escape") set_escape(directive->value);
      return;
    }
    if (body.empty()) {
      comments_.clear();
      return;
    }
    if (body.starts_with('#')) {
      const std::string_view comment = trim(body.substr(1));
      if (comment.empty()) {
        comments_.clear();
      } else {
        comments_.emplace_back(comment);
      }
      return;
    }
    LogicalLine logical = read_logical_line(line, reader_, ast_.escape);
    if (trim(logical.text).empty()) return;
    if (logical.empty_line > 0) {
      ast_.warnings.push_back({"Empty continuation line",
                               "",
                               {logical.empty_line, logical.empty_line},
                               0,
                               "NoEmptyContinuation"});
    }
    read_instruction(std::move(logical));
  }

  void set_escape(const std::string& value) {
    if (value != "\\" && value != "`") {
      throw Mistake(fmt::format("invalid escape token \"{}\": want ` or \\", value));
    }
    ast_.escape = value[0];
  }

  void read_instruction(LogicalLine logical) {
    Instruction instruction;
    instruction.text = std::move(logical.text);
    instruction.segments = std::move(logical.segments);
    instruction.range = {logical.first_line, logical.last_line};
    instruction.comments = std::exchange(comments_, {});
    Split split = split_instruction(instruction.text, ast_.escape);
    instruction.keyword = std::string(split.keyword);
    instruction.flags = std::move(split.flags);
    try {
      RawInstruction raw{instruction, {split.rest, split.rest_offset}, ast_.escape, {}};
      if (has_heredocs(split)) {
        raw.heredocs = read_heredocs(instruction.text);
        instruction.range.last_line = std::max(instruction.range.last_line, reader_.number());
      }
      const bool is_from = equal_fold(instruction.keyword, "FROM");
      has_stage_ = has_stage_ || is_from;
      instruction.command = parse_command(raw);
      if (!has_stage_ && !std::holds_alternative<Arg>(instruction.command)) {
        throw Mistake(fmt::format("{} stands before the first FROM", upper(instruction.keyword)),
                      "only ARG may")
            .at(0);
      }
    } catch (const Mistake& mistake) {
      errors_.push_back(diagnostic_of(ast_.source, instruction, mistake.message(), mistake.hint(),
                                      mistake.offset().value_or(0)));
      return;
    }
    ast_.instructions.push_back(std::move(instruction));
  }

  [[nodiscard]] bool has_heredocs(const Split& split) const {
    if (split.rest.find("<<") == std::string_view::npos) return false;
    if (equal_fold(split.keyword, "ONBUILD")) {
      const Split trigger = split_instruction(split.rest, ast_.escape);
      return !equal_fold(trigger.keyword, "ONBUILD") && has_heredocs(trigger);
    }
    return may_have_heredocs(split.keyword) && !parse_json_list(split.rest);
  }

  std::vector<Heredoc> read_heredocs(std::string_view text) {
    std::vector<Heredoc> heredocs;
    for (Heredoc& heredoc : heredocs_of_line(text)) {
      // "1 << 2" looks like one; without its end it is an expression of the shell.
      if (LineReader ahead = reader_; heredoc.spaced && !read_body(heredoc, ahead)) continue;
      heredoc.content.clear();
      if (!read_body(heredoc, reader_)) {
        throw Mistake(fmt::format("unterminated heredoc \"{}\"", heredoc.name),
                      "end it with a line that is the delimiter and nothing else")
            .at(heredoc_offset(text, heredoc.name));
      }
      heredocs.push_back(std::move(heredoc));
    }
    return heredocs;
  }

  /// Where the here-document `name` begins in the line that announces it.
  static std::size_t heredoc_offset(std::string_view text, std::string_view name) {
    const std::size_t first = text.find("<<");
    for (std::size_t at = first; at != std::string_view::npos; at = text.find("<<", at + 2)) {
      std::string_view word = text.substr(at + 2);
      word.remove_prefix(std::min(word.find_first_not_of("-'\" \t"), word.size()));
      if (word.starts_with(name)) return at;
    }
    return first;
  }

  /// Reads up to the delimiter; false when there is none.
  static bool read_body(Heredoc& heredoc, LineReader& reader) {
    while (const std::optional<Line> line = reader.next()) {
      std::string_view body = line->body();
      while (heredoc.strip_tabs && body.starts_with('\t'))
        body.remove_prefix(1);
      if (body == heredoc.name) return true;
      heredoc.content += line->text;
    }
    return false;
  }

  /// `syntax` and `check` are recognised by their own, wider rules.
  void find_directives() {
    const std::string& text = ast_.source.text();
    if (auto syntax = find_syntax(text)) {
      if (!is_builtin_syntax(syntax->value) && !errors_.empty()) {
        // Text in another language: what is wrong with it as a Dockerfile is of no interest.
        errors_.clear();
        try {
          refuse_syntax(syntax->value);
        } catch (const Mistake& mistake) {
          add_error(mistake, syntax->line);
        }
      }
      ast_.directives.push_back(std::move(*syntax));
    }
    if (auto check = find_check(text)) ast_.directives.push_back(std::move(*check));
  }

  void check_whole() {
    const std::string_view text = ast_.source.text();
    if (text.empty()) {
      add_error(Mistake("the Dockerfile cannot be empty"), 0);
    } else if (ast_.instructions.empty()) {
      add_error(Mistake("file with no instructions"), 0);
    } else if (!has_stage_) {
      add_error(Mistake("dockerfile contains no stages to build", "add a FROM"), 0);
    }
  }

  void add_error(const Mistake& mistake, int line) {
    errors_.push_back({mistake.message(), mistake.hint(), {line, line}, 0, ""});
  }

  Ast ast_;
  LineReader reader_;
  DirectiveReader directives_;
  std::vector<std::string> comments_;
  std::vector<Diagnostic> errors_;
  bool has_stage_ = false;
};

}  // namespace

Ast parse_dockerfile(std::string name, std::string text) {
  Parser parser(std::move(name), std::move(text));
  Ast ast = parser.run();
  std::vector<Diagnostic> mistakes = parser.mistakes();
  if (!mistakes.empty()) throw error_of(ast.source, std::move(mistakes));
  return ast;
}

Reading Document::read(std::string name, std::string text) {
  Parser parser(std::move(name), std::move(text));
  auto ast = std::make_shared<const Ast>(parser.run());
  return {Document(std::move(ast)), parser.mistakes()};
}

const std::string& Document::name() const noexcept {
  return ast_->source.name();
}

Document Document::parse(std::string name, std::string text) {
  return Document(std::make_shared<const Ast>(parse_dockerfile(std::move(name), std::move(text))));
}

}  // namespace kiln::dockerfile
