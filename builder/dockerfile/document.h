// A parsed Dockerfile: its text with positions, its directives and its instructions, in order.
//
// Nothing is expanded or checked against other instructions yet; every word keeps where it stands.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace kiln::dockerfile {

struct Ast;  // ast.h

/// Cheap to copy; immutable.
class Document {
 public:
  /// Parses `text`; `name` is the file as the user typed it, for messages. Throws DockerfileError.
  [[nodiscard]] static Document parse(std::string name, std::string text);

  [[nodiscard]] const Ast& ast() const noexcept { return *ast_; }

 private:
  explicit Document(std::shared_ptr<const Ast> ast) : ast_(std::move(ast)) {}
  std::shared_ptr<const Ast> ast_;
};

}  // namespace kiln::dockerfile
