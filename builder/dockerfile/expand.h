// Words: quotes, escapes and variables.
//
// source: docs.docker.com "Dockerfile reference: Environment replacement"; where that is silent,
// BuildKit's behaviour.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "builder/dockerfile/environment.h"

namespace kiln::dockerfile {

struct ExpandMode {
  char escape = '\\';
  bool keep_quotes = false;   ///< quotes stay in the result
  bool keep_escapes = false;  ///< and so do escape characters
  bool keep_unset = false;    ///< a variable that is not set stays as it was written
  bool plain_quotes = false;  ///< quotes mean nothing: the bodies of here-documents
};

struct Expansion {
  std::string text;
  std::vector<std::string> words;      ///< `text` split at unquoted blanks
  std::vector<std::string> used;       ///< variables that were set
  std::vector<std::string> undefined;  ///< variables that were not
};

/// Throws Mistake: `failed to process "word": why`.
[[nodiscard]] Expansion expand(std::string_view word,
                               const Environment& environment,
                               const ExpandMode& mode = {});

}  // namespace kiln::dockerfile
