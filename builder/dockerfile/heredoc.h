// Recognising here-documents: "[fd]<<[-]NAME", NAME possibly quoted.
//
// source: docs.docker.com "Dockerfile reference: Here-documents"
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "builder/dockerfile/ast.h"

namespace kiln::dockerfile {

/// The here-document that one word announces, without content.
[[nodiscard]] std::optional<Heredoc> heredoc_of_word(std::string_view word);

/// Those that an instruction announces, in the order in which their bodies follow.
[[nodiscard]] std::vector<Heredoc> heredocs_of_line(std::string_view text);

}  // namespace kiln::dockerfile
