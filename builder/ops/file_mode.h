// The modes of --chmod: octal, or symbolic as chmod(1) has them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::ops {

/// A parsed --chmod value.
class ModeChange {
 public:
  /// "0755" or "u=rwX,go=rX"; throws Error{invalid_input} naming the text.
  /// source: POSIX chmod, "The symbolic mode"; without who ("+x") all of u, g and o are meant
  [[nodiscard]] static ModeChange parse(std::string_view text);

  /// The permission bits (07777) after the change of a file that has `mode`.
  [[nodiscard]] std::uint32_t apply(std::uint32_t mode, bool is_directory) const;

 private:
  struct Clause {
    std::uint32_t who = 0;        ///< mask of the bits it may touch: 04700, 02070, 01007
    char operation = '=';         ///< + - =
    std::uint32_t bits = 0;       ///< rwxst spread over all classes
    bool execute_if_any = false;  ///< X
    int copy_from = -1;           ///< shift of the class that is copied: 6, 3, 0
  };
  std::vector<Clause> clauses_;
};

}  // namespace kiln::ops
