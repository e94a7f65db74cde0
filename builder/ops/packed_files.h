// The regular files of a copy that go from their source straight into the layer's blob.
//
// Where a copy's result is never mounted, writing its files would only be done to read them again.
// Files are opened a little before their turn, so that the disk brings many at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "builder/layer/outside_files.h"
#include "builder/ops/selection.h"
#include "builder/os/fd.h"

namespace kiln::ops {

class PackedFiles final : public layer::OutsideFiles {
 public:
  /// Keeps what entries refer to for as long as this lives.
  const SourceTree& keep(SourceTree tree) { return trees_.emplace_back(std::move(tree)); }
  const std::vector<SelectedSource>& keep(std::vector<SelectedSource> sources) {
    return sources_.emplace_back(std::move(sources));
  }

  /// Puts a regular file at `path`, relative to the root, in the place of an earlier one. `tree`
  /// and `entry` outlive this. `attributes`: without xattrs, which are read with the content.
  void put(std::string_view path,
           const SourceTree& tree,
           const TreeEntry& entry,
           layer::Attributes attributes);
  /// Forgets the file at `path`, if there is one: it is replaced.
  void remove(std::string_view path);
  [[nodiscard]] bool contains(std::string_view path) const;
  /// Of all that were put, also of what was replaced since.
  [[nodiscard]] std::uint64_t total_bytes() const noexcept { return total_bytes_; }

  [[nodiscard]] const Names* in(std::string_view directory) const override;
  [[nodiscard]] Opened open(std::size_t file) override;
  void check(std::size_t file, const Opened& opened) const override;

 private:
  struct File {
    const SourceTree* tree;
    const TreeEntry* entry;
    layer::Attributes attributes;
  };

  os::Fd take(std::size_t file);
  void open_next();

  std::deque<SourceTree> trees_;
  std::deque<std::vector<SelectedSource>> sources_;
  std::vector<File> files_;
  std::map<std::string, Names, std::less<>> directories_;
  std::uint64_t total_bytes_ = 0;
  std::deque<os::Fd> ahead_;     ///< open already; closed where that failed
  std::size_t first_ahead_ = 0;  ///< which file the first of them is
};

}  // namespace kiln::ops
