// The build checks: their names, what each is about, and where it is explained.
//
// source: BuildKit's rule set, whose names people write in "# check=skip=..."; docs.docker.com
// "Build checks"
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace kiln::dockerfile {

struct Rule {
  std::string_view name;
  std::string_view description;
  std::string_view page;      ///< last part of the address of its documentation, "" for none
  bool experimental = false;  ///< silent unless "experimental=" asks for it

  /// "" when it has no page.
  [[nodiscard]] std::string url() const;
};

[[nodiscard]] std::span<const Rule> rules();

/// nullptr when there is no rule of that name.
[[nodiscard]] const Rule* find_rule(std::string_view name);

}  // namespace kiln::dockerfile
