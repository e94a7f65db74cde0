// Makes the files of a tree in a client's directory, one visit of a walk after the other.
//
// Invariants: what is made is made under the client's rights (os::ActAs), what is read of the tree
// under ours. Directories are opened beneath the target with links refused, new files are created
// exclusively: no link is followed and no existing file is written into.
#pragma once

#include <sys/stat.h>

#include <map>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "builder/layer/attributes.h"
#include "builder/layer/tree_walk.h"
#include "builder/os/dir.h"
#include "builder/os/fd.h"
#include "builder/os/peer.h"

namespace kiln::image {

class LocalWriter {
 public:
  /// `target` and `peer` outlive it.
  LocalWriter(const os::Dir& target, const os::Peer& peer, std::stop_token stop)
      : target_(target), peer_(peer), stop_(std::move(stop)) {}

  /// Depth first, the root ("") before all; the root itself stays as it is.
  void take(layer::Visit& visit);
  /// After the last visit: completes the directories that are still open.
  void finish();

 private:
  /// A directory of the target that the walk is in. Its attributes come last, when all is in it: it
  /// may have to be read-only, and each new entry changes its time.
  struct Level {
    std::string path;
    os::Fd fd;  ///< none far down: then it is opened again
    bool ours_to_set = false;
    struct stat status{};
    std::vector<layer::Xattr> xattrs;
  };

  void make(layer::Visit& visit, std::vector<layer::Xattr> xattrs, const std::string& link_target);
  void make_directory(const layer::Visit& visit, std::vector<layer::Xattr> xattrs);
  void make_file(layer::Visit& visit, const std::vector<layer::Xattr>& xattrs);
  void make_other(const layer::Visit& visit,
                  const std::vector<layer::Xattr>& xattrs,
                  const std::string& link_target);
  /// True when the file is another name of one that was made before.
  bool make_hard_link(const layer::Visit& visit);
  template <class Make>
  int make_new(const layer::Visit& visit, const Make& make);
  void remove_existing(const layer::Visit& visit);

  void set_attributes(int fd,
                      const struct stat& status,
                      const std::vector<layer::Xattr>& xattrs,
                      const std::string& path) const;
  [[nodiscard]] std::vector<layer::Xattr> kept(std::vector<layer::Xattr> xattrs) const;
  [[nodiscard]] mode_t mode(const struct stat& status) const;
  void enter(Level level);
  void leave_until(std::string_view directory);
  void leave();
  int parent_fd();
  [[noreturn]] void fail(int errno_value, std::string_view verb, const std::string& path) const;

  const os::Dir& target_;
  const os::Peer& peer_;
  std::stop_token stop_;
  std::vector<Level> levels_;
  std::map<std::pair<dev_t, ino_t>, std::string> linked_;  // files with several names: the first
};

}  // namespace kiln::image
