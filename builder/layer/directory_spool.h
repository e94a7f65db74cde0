// What directories get after their contents: times, which every new entry changes, and extended
// attributes, among them default ACLs that new entries would inherit.
//
// Kept in an unnamed file and not in memory: a hostile archive may hold millions of directories.
#pragma once

#include <string>

#include "builder/layer/attributes.h"
#include "builder/os/dir.h"
#include "builder/os/fd.h"

namespace kiln::layer {

class DirectorySpool {
 public:
  /// `root` outlives the spool; its file system holds the file.
  explicit DirectorySpool(const os::Dir& root) : root_(root) {}

  /// Notes times and xattrs for the directory `path` beneath the root.
  void add(const std::string& path, const Attributes& attributes);
  /// Sets all that was noted, in that order; a directory that has been replaced is left out.
  void apply();

 private:
  void flush();
  void set(const std::string& path, const Attributes& attributes) const;

  const os::Dir& root_;
  os::Fd file_;
  std::string buffer_;
};

}  // namespace kiln::layer
