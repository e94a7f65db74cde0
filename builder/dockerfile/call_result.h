// The answers to questions about a Dockerfile ("--call"): as JSON for programs and as text for
// people. Nothing is executed for them.
//
// source: the subrequests frontend.lint, frontend.outline and frontend.targets of BuildKit, whose
// field names the JSON has, and `docker buildx build --call`, whose text it is
#pragma once

#include <string>
#include <vector>

#include "builder/dockerfile/document.h"
#include "builder/dockerfile/outline.h"

namespace kiln::dockerfile {

struct CallResult {
  std::string json;
  std::string text;
  int status = 0;  ///< not 0: something is wrong with the Dockerfile
};

struct CheckReport {
  std::vector<Diagnostic> warnings;
  std::vector<Diagnostic> mistakes;
};

[[nodiscard]] CallResult check_result(const Document& document, const CheckReport& report);
[[nodiscard]] CallResult outline_result(const Document& document, const Outline& outline);

/// The stages that --target can name.
[[nodiscard]] CallResult targets_result(const Document& document);

struct Target {
  std::string name;  ///< "" when the stage has none
  std::string description;
  std::string base;      ///< as written
  std::string platform;  ///< as written
  bool is_default = false;
  graph::SourceRange range;
};

[[nodiscard]] std::vector<Target> targets_of(const Document& document);

// The text of each, without what the JSON needs.
[[nodiscard]] std::string text_of(const Document& document, const CheckReport& report);
[[nodiscard]] std::string text_of(const Outline& outline);
[[nodiscard]] std::string text_of(const std::vector<Target>& targets);

}  // namespace kiln::dockerfile
