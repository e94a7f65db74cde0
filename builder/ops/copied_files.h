// What a copy left at each path, so that the next run of the same instruction writes only what is
// different.
//
// The result of a copy of many files is kept with a list of them. The next run works on top of that
// result instead of beside it: what is there as it should be is left alone, so the upper directory
// holds the difference. Whatever the list cannot say makes the next run a plain one.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace kiln::ops {

/// SHA-256 over all that an image shows of one file or directory. All zero: something that is
/// always made anew, such as one of several names of a file.
using FileState = std::array<std::uint8_t, 32>;

/// Paths from the image's root, and what is there.
using CopiedFiles = std::unordered_map<std::string, FileState>;

/// A version byte; then, for each, the path's length (4 bytes, little-endian), path and state.
[[nodiscard]] std::string encode(const CopiedFiles& files);
/// nullopt for what encode() of this version did not make.
[[nodiscard]] std::optional<CopiedFiles> decode_copied_files(std::string_view bytes);

/// Follows one copy.
class CopyJournal {
 public:
  /// A copy from nothing: everything is made and noted.
  CopyJournal() = default;
  /// A copy on top of the earlier result.
  explicit CopyJournal(CopiedFiles earlier) : earlier_(std::move(earlier)), is_on_earlier_(true) {}

  [[nodiscard]] bool is_on_earlier() const noexcept { return is_on_earlier_; }
  /// Notes that `path` shall be as `state` says. True when the earlier result has just that there.
  bool keeps(const std::string& path, const FileState& state);
  /// The file at `path` has got a second name.
  void make_anew_next_time(const std::string& path);

  /// What was noted by a copy from nothing.
  [[nodiscard]] const CopiedFiles& noted() const noexcept { return noted_; }
  /// Whether the earlier result has something that the copy did not name.
  [[nodiscard]] bool has_left_over() const noexcept { return !earlier_.empty(); }
  [[nodiscard]] std::size_t count_kept() const noexcept { return kept_; }
  [[nodiscard]] std::size_t count_made() const noexcept { return made_; }

 private:
  CopiedFiles noted_;
  CopiedFiles earlier_;
  bool is_on_earlier_ = false;
  std::size_t kept_ = 0;
  std::size_t made_ = 0;
};

}  // namespace kiln::ops
