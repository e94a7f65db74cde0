// The parsed form of a Dockerfile: instructions with their flags and words, each with its place.
//
// Words are as written: quotes, escapes and variables are still in them (expand.h).
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "builder/dockerfile/diagnostic.h"
#include "builder/dockerfile/source.h"
#include "proto/oci.h"

namespace kiln::dockerfile {

/// A piece of an instruction; `offset` is where it begins in Instruction::text.
struct Token {
  std::string text;
  std::size_t offset = 0;
};

struct Flag {
  std::string name;                  ///< without dashes
  std::optional<std::string> value;  ///< nullopt: no '='
  std::size_t offset = 0;
};

struct Heredoc {
  std::string name;
  bool expand = true;       ///< the delimiter was not quoted
  bool strip_tabs = false;  ///< <<-
  bool spaced = false;      ///< blanks stand between << and the delimiter
  std::string content;      ///< as written, line ends included
};

/// `content` as the instruction sees it.
[[nodiscard]] std::string body_of(const Heredoc& heredoc);

struct From {
  Token base;
  std::string name;     ///< lower case, "" for none
  Token name_token;     ///< as written
  std::string keyword;  ///< "AS" as written
};

struct Arg {
  struct Definition {
    Token name;
    std::optional<Token> value;
  };
  std::vector<Definition> definitions;
};

struct KeyValue {
  Token key;
  Token value;
  bool legacy = false;  ///< "KEY VALUE" without '='
};
struct Env {
  std::vector<KeyValue> pairs;
};
struct Label {
  std::vector<KeyValue> pairs;
};

/// The command of RUN, CMD and ENTRYPOINT.
struct CommandLine {
  bool exec_form = false;          ///< a JSON list: no shell
  std::vector<std::string> words;  ///< shell form: at most one, the whole text
  std::size_t offset = 0;
  std::vector<Heredoc> heredocs;  ///< RUN only
};

/// A "key=value" or "key" of RUN --mount; variables are still in the value.
struct MountField {
  std::string key;                   ///< lower case
  std::optional<std::string> value;  ///< nullopt: no '='
  std::size_t offset = 0;            ///< in Instruction::text
};
struct MountFlag {
  std::vector<MountField> fields;
  std::size_t offset = 0;  ///< of the flag in Instruction::text

  /// The last field of that name, which is the one that counts, or nullptr.
  [[nodiscard]] const MountField* field(std::string_view key) const;
};

struct Run {
  CommandLine command;
  std::vector<MountFlag> mounts;  ///< in the order that they are written
};
struct Cmd {
  CommandLine command;
};
struct Entrypoint {
  CommandLine command;
};

/// COPY and ADD.
struct Copy {
  bool is_add = false;
  std::vector<Token> sources;
  std::vector<Heredoc> documents;  ///< here-documents among the sources
  Token destination;
};

struct Expose {
  std::vector<Token> ports;
};
struct Volume {
  std::vector<Token> paths;
};
struct Workdir {
  Token path;
};
struct User {
  Token user;
};
struct StopSignal {
  Token signal;
};
struct Maintainer {
  Token name;
};
struct Shell {
  std::vector<std::string> words;
};
struct HealthcheckCommand {
  oci::Healthcheck check;
};
struct Onbuild {
  std::string trigger;  ///< a Dockerfile of one instruction
};

using Command = std::variant<From,
                             Arg,
                             Env,
                             Label,
                             Run,
                             Cmd,
                             Entrypoint,
                             Copy,
                             Expose,
                             Volume,
                             Workdir,
                             User,
                             StopSignal,
                             Maintainer,
                             Shell,
                             HealthcheckCommand,
                             Onbuild>;

/// From `begin` on, an instruction's text stands at `source` in the Dockerfile.
struct Segment {
  std::size_t begin = 0;
  std::size_t source = 0;
};

struct Instruction {
  std::string keyword;  ///< as written
  std::string text;     ///< the whole instruction, continuation lines joined
  std::vector<Segment> segments;
  graph::SourceRange range;
  std::vector<Flag> flags;
  std::vector<std::string> comments;  ///< the lines directly above, without '#'
  Command command;

  /// The first flag of that name, or nullptr.
  [[nodiscard]] const Flag* flag(std::string_view name) const;
  /// Where byte `offset` of `text` is in the Dockerfile.
  [[nodiscard]] std::size_t source_offset(std::size_t offset) const;
};

struct Directive {
  std::string name;  ///< syntax, escape, check
  std::string value;
  int line = 0;
};

struct Ast {
  Source source;
  std::vector<Directive> directives;
  char escape = '\\';
  std::vector<Instruction> instructions;
  std::vector<Diagnostic> warnings;
};

/// What follows `name` in a comment line directly above the instruction that defines it, "" when
/// none says anything. source: BuildKit: "# <name> <description>"
[[nodiscard]] std::string description_of(const Instruction& instruction, std::string_view name);

/// A diagnostic about `instruction`: at `offset` in its text, or about all of its lines.
[[nodiscard]] Diagnostic diagnostic_of(const Source& source,
                                       const Instruction& instruction,
                                       std::string message,
                                       std::string hint = "",
                                       std::optional<std::size_t> offset = std::nullopt);

/// The Dockerfile's instructions; throws DockerfileError with every mistake found.
[[nodiscard]] Ast parse_dockerfile(std::string name, std::string text);

}  // namespace kiln::dockerfile
