#include "builder/ops/entry_opener.h"

#include <fcntl.h>

#include "proto/error.h"

namespace kiln::ops {

namespace {

constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK;

}  // namespace

os::Fd EntryOpener::open(const TreeEntry& entry) {
  std::optional<os::Fd> fd = open_in_directory(entry.path);
  // From the root once more when that failed, so that the error is the one that everybody gets.
  if (!fd) return open_entry(tree_, entry);
  check_unchanged(fd->get(), entry);
  return std::move(*fd);
}

std::optional<os::Fd> EntryOpener::open_in_directory(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return std::nullopt;
  const std::string_view parent = std::string_view(path).substr(0, slash);
  try {
    if (!directory_ || parent != path_) {
      directory_.emplace(tree_.root->open_at(parent, O_PATH | O_DIRECTORY, os::Links::refuse));
      path_ = parent;
    }
    return directory_->open_at(std::string_view(path).substr(slash + 1), kFlags, os::Links::refuse);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace kiln::ops
