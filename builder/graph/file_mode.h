// The modes of --chmod: octal, or symbolic as chmod(1) has them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kiln::graph {

/// A parsed --chmod value.
class ModeChange {
 public:
  /// "0755" or "u=rwX,go=rX"; throws Error{invalid_input} naming the text. There is no umask:
  /// without who ("+x") all of u, g and o are meant, but never the sticky bit.
  /// source: tonistiigi/dchapes-mode with umask 0; X as in POSIX.1-2024, for every operator
  [[nodiscard]] static ModeChange parse(std::string_view text);

  /// The permission bits (07777) after the change of a file that has `mode`.
  [[nodiscard]] std::uint32_t apply(std::uint32_t mode, bool is_directory) const;

  /// The mode of directories that a copy makes on its way: an octal mode is theirs too, without
  /// setuid, setgid and sticky; a symbolic one changes what exists and says nothing about them.
  /// source: tonistiigi/fsutil copy, since BuildKit 0.21
  [[nodiscard]] std::uint32_t made_directory_mode() const;

 private:
  struct Clause {
    std::uint32_t who = 0;            ///< the bits it may touch; 0: nobody was named
    char operation = '=';             ///< + - =
    std::uint32_t bits = 0;           ///< rwxs spread over all classes
    bool sticky = false;              ///< t
    bool execute_if_any = false;      ///< X
    std::vector<unsigned> copy_from;  ///< shifts of the classes that are copied: 6, 3, 0
  };
  [[nodiscard]] static Clause parse_clause(std::string_view whole,
                                           std::size_t& at,
                                           std::uint32_t who);

  std::vector<Clause> clauses_;  ///< empty for an octal mode
  std::uint32_t octal_ = 0;
};

}  // namespace kiln::graph
