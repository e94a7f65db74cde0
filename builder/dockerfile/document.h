// A parsed Dockerfile: its text with positions, its directives and its instructions, in order.
//
// Nothing is expanded or checked against other instructions yet; every word keeps where it stands.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "builder/dockerfile/diagnostic.h"

namespace kiln::dockerfile {

struct Ast;  // ast.h
struct Reading;

/// Cheap to copy; immutable.
class Document {
 public:
  /// Parses `text`; `name` is the file as the user typed it, for messages. Throws DockerfileError.
  [[nodiscard]] static Document parse(std::string name, std::string text);

  /// The same without throwing: what could be parsed, and the mistakes in the rest.
  [[nodiscard]] static Reading read(std::string name, std::string text);

  [[nodiscard]] const Ast& ast() const noexcept { return *ast_; }
  /// As the user typed it.
  [[nodiscard]] const std::string& name() const noexcept;

 private:
  explicit Document(std::shared_ptr<const Ast> ast) : ast_(std::move(ast)) {}
  std::shared_ptr<const Ast> ast_;
};

/// A Dockerfile with its mistakes; one without any can be lowered.
struct Reading {
  Document document;
  std::vector<Diagnostic> mistakes;
};

}  // namespace kiln::dockerfile
