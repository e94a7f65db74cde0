#include "builder/layer/extract.h"

#include <sys/stat.h>

#include <string>
#include <string_view>

#include "builder/layer/entry_name.h"
#include "builder/layer/whiteout.h"
#include "proto/error.h"

namespace kiln::layer {

namespace {

bool inside_aufs_directory(std::string_view path) {
  return path.starts_with(kAufsPrefix) || path.find("/.wh..wh.") != std::string_view::npos;
}

// True when the entry was a marker and has been dealt with.
bool apply_marker(TreeWriter& tree, const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "" : path.substr(0, slash);
  const std::string_view name =
      std::string_view(path).substr(slash == std::string::npos ? 0 : slash + 1);
  if (name == kOpaqueMarker) {
    tree.opaque(directory);
    return true;
  }
  if (inside_aufs_directory(path)) return true;
  if (!name.starts_with(kWhiteoutPrefix)) return false;
  const std::string_view gone = name.substr(kWhiteoutPrefix.size());
  if (gone.empty() || gone == "." || gone == "..")
    throw Error(Errc::corrupt, "archive entry {}: a deletion of no name", path);
  tree.whiteout(directory.empty() ? std::string(gone) : directory + "/" + std::string(gone));
  return true;
}

std::uint64_t extract_file(TarReader& tar,
                           TreeWriter& tree,
                           const std::string& path,
                           const Attributes& attributes,
                           const std::stop_token& stop) {
  const os::Fd file = tree.create_file(path);
  const std::uint64_t size = tar.copy_content(file.get(), path, stop);
  tree.finish_file(file, path, attributes);
  return size;
}

}  // namespace

std::uint64_t extract(TarReader& tar,
                      TreeWriter& tree,
                      const ExtractOptions& options,
                      const std::stop_token& stop) {
  std::uint64_t content_bytes = 0;
  TarEntry entry;
  while (tar.next(entry)) {
    if (stop.stop_requested()) throw Error(Errc::cancelled, "unpack: cancelled");
    const std::string path = clean_entry_name(entry.name);
    if (options.whiteouts && apply_marker(tree, path)) continue;
    Attributes& attributes = entry.attributes;
    attributes.uid = options.uid.value_or(attributes.uid);
    attributes.gid = options.gid.value_or(attributes.gid);
    if (path.empty() && (entry.is_hard_link || entry.type != S_IFDIR))
      throw Error(Errc::corrupt, "archive entry {}: only a directory can be the root", entry.name);
    if (path.empty() && !options.whiteouts && !options.root) continue;  // the target's own business
    if (entry.is_hard_link) {
      tree.hard_link(path, clean_entry_name(entry.link_target));
      continue;
    }
    switch (entry.type) {
      case S_IFDIR:
        tree.directory(path, attributes);
        break;
      case S_IFREG:
        content_bytes += extract_file(tar, tree, path, attributes, stop);
        break;
      case S_IFLNK:
        tree.symbolic_link(path, entry.link_target, attributes);
        break;
      case S_IFCHR:
      case S_IFBLK:
      case S_IFIFO:
        tree.node(path, entry.type, entry.device, attributes);
        break;
      default:
        break;  // a socket: nothing could answer on it
    }
  }
  tree.finish();
  return content_bytes;
}

}  // namespace kiln::layer
