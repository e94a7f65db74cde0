// Makes files beneath a root from names that are not trusted.
//
// The directory of each name is resolved by the kernel beneath the root, the last part is never
// followed; so nothing outside the root is touched, whatever the names and the links among them.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "builder/layer/attributes.h"
#include "builder/layer/directory_spool.h"
#include "builder/os/dir.h"
#include "builder/os/fd.h"

namespace kiln::layer {

/// What the tree is for.
enum class Purpose {
  layer,  ///< overlayfs's form of a layer: a deletion gives way to what is made in its place
  root,   ///< a root file system: a directory whose name is a link to a directory is that one
};

/// Paths are clean (clean_entry_name) and relative to the root; "" is the root itself. Links in the
/// middle of a path are followed beneath the root. An existing name is replaced, a directory by a
/// directory merged; missing parents are made, 0755 and root's, in a layer also where a link leads.
/// All functions throw Error naming the path: Error{corrupt} when a parent is not a directory.
class TreeWriter {
 public:
  /// `root` outlives the writer.
  TreeWriter(const os::Dir& root, Purpose purpose);

  void directory(const std::string& path, const Attributes& attributes);
  /// A new, empty file open for writing; finish_file gives it its attributes.
  [[nodiscard]] os::Fd create_file(const std::string& path);
  void finish_file(const os::Fd& file, const std::string& path, const Attributes& attributes) const;
  void symbolic_link(const std::string& path,
                     const std::string& target,
                     const Attributes& attributes);
  /// Another name of an existing file beneath the root.
  void hard_link(const std::string& path, const std::string& target);
  /// A device node or fifo.
  void node(const std::string& path, mode_t type, dev_t device, const Attributes& attributes);

  /// A deletion in overlayfs' form. What the same layer has under this name stays: a file as it
  /// is, a directory made opaque. Directories made in place of a deletion are opaque as well.
  void whiteout(const std::string& path);
  /// Marks a directory, made if missing, as hiding what is below it.
  void opaque(const std::string& path);

  /// Gives directories their times and xattrs; nothing is written afterwards.
  void finish() { spool_.apply(); }
  /// The directories that were made as parents only and still are, sorted; their paths are without
  /// links. Not those made in place of a deletion.
  [[nodiscard]] std::vector<std::string> implied() const;

 private:
  struct Place {
    int parent_fd;
    std::string name;
  };

  Place place(const std::string& path);
  os::Fd open_parent(const std::string& parent, const std::string& path);
  void make_parents(const std::string& parent);
  [[nodiscard]] bool follows(const std::string& link) const;
  os::Fd make_implied(int parent_fd, const std::string& name, const std::string& path);
  [[nodiscard]] std::optional<os::Fd> linked_directory(const std::string& path);
  template <class Make>
  int make(const Place& place, const std::string& path, const Make& make);
  void remove_existing(const Place& place, const std::string& path) const;
  os::Fd make_directory(int parent_fd, const std::string& name, const std::string& path);
  void note_implied(int directory_fd, const std::string& path);
  void forget_implied(int directory_fd);
  void set_attributes(const Place& place,
                      const std::string& path,
                      const Attributes& attributes) const;

  const os::Dir& root_;
  Purpose purpose_;
  DirectorySpool spool_;
  // By inode, for a directory may have several paths through links.
  std::unordered_map<ino_t, std::string> implied_;
  std::size_t implied_bytes_ = 0;
  // The directory of the last entry: archives go directory by directory.
  std::string parent_path_;
  os::Fd parent_;
};

}  // namespace kiln::layer
