#include "builder/ops/copy_tree.h"

#include <fcntl.h>
#include <openssl/sha.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <utility>
#include <vector>

#include "builder/layer/apply_layer.h"
#include "builder/ops/copy_data.h"
#include "builder/ops/tree_digest.h"
#include "builder/ops/xattrs.h"
#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::ops {

namespace {

constexpr std::size_t kReadBytes = 1024UL * 1024;

std::string base_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

bool are_equal(const std::vector<Xattr>& a, const std::vector<Xattr>& b) {
  return std::ranges::equal(a, b, [](const Xattr& one, const Xattr& other) {
    return one.name == other.name && one.value == other.value;
  });
}

/// Nobody answers on a copied socket: an empty file is left of it.
mode_t special_type(const struct stat& status) {
  return S_ISSOCK(status.st_mode) ? S_IFREG : status.st_mode & S_IFMT;
}

/// Setting what is set already makes overlayfs take a directory of the layers below into its upper
/// one.
void copy_up(int directory_fd, const std::string& path) {
  struct stat status{};
  if (::fstat(directory_fd, &status) != 0 || ::fchmod(directory_fd, status.st_mode & 07777U) != 0)
    throw system_error(errno, "touch the directory of " + path);
}

class TreeCopier {
 public:
  TreeCopier(const SourceTree& tree,
             Destination& destination,
             const CopyOptions& options,
             std::stop_token stop)
      : tree_(tree), destination_(destination), options_(options), stop_(std::move(stop)) {}

  void copy(const SelectedSource& source, const std::string& path) {
    const TreeEntry& top = source.entries.front();
    if (S_ISDIR(top.status.st_mode)) {
      copy_contents(source, path);
      return;
    }
    if (options_.unpack_archives && S_ISREG(top.status.st_mode) && unpack(top, path)) return;
    const Destination::Place place = destination_.place_of_file(path, source.name, made());
    destination_.keep_times(place.parent.get());
    const std::string directory = destination_.path_of(place.parent.get());
    Parent parent{place.parent.get()};
    copy_entry(top, parent, place.name,
               directory.empty() ? place.name : fmt::format("{}/{}", directory, place.name));
  }

 private:
  /// An open directory of the destination.
  struct Parent {
    int fd = -1;
    bool is_in_layer = false;  ///< not only in those below
    bool is_new = false;       ///< made by this copy: nothing is in the way in it
  };
  struct Level {
    std::string path;  ///< in the source
    os::Fd fd;
    Parent parent;
  };

  /// Of directories that the copy makes on its way.
  [[nodiscard]] MadeDirectory made() const {
    return {options_.owner.value_or(OwnerIds{}), options_.made_directory_mode};
  }

  [[nodiscard]] timespec time_of(const TreeEntry& entry) const {
    return options_.time ? timespec{*options_.time, 0} : entry.status.st_mtim;
  }

  [[nodiscard]] OwnerIds owner_of(const struct stat& status) const {
    if (options_.owner) return *options_.owner;
    if (options_.keep_owner) return {status.st_uid, status.st_gid};
    return {};
  }

  [[nodiscard]] std::uint32_t mode_of(const struct stat& status) const {
    const std::uint32_t mode = status.st_mode & 07777U;
    return options_.mode ? options_.mode->apply(mode, S_ISDIR(status.st_mode)) : mode;
  }

  bool unpack(const TreeEntry& archive, const std::string& path) {
    os::Fd fd = open_entry(tree_, archive);
    if (!layer::is_archive(fd.get())) return false;
    // --chmod says nothing about what an archive holds, nor about where it goes.
    const os::Fd directory = destination_.make_directory(path, {made().owner, 0755});
    destination_.keep_times(directory.get());
    layer::UnpackOptions unpack;
    if (options_.owner) {
      unpack.uid = options_.owner->uid;
      unpack.gid = options_.owner->gid;
    }
    const os::Fd again = fd.duplicate();
    try {
      layer::unpack_archive(std::make_unique<os::FileSource>(std::move(fd), archive.path),
                            os::Dir(directory.duplicate()), unpack, stop_);
    } catch (Error& error) {
      error.add_context(fmt::format("unpack \"{}\"", archive.path));
      throw;
    }
    check_unchanged(again.get(), archive);
    return true;
  }

  void copy_contents(const SelectedSource& source, const std::string& path) {
    const std::string& top = source.entries.front().path;
    // Open directories from the destination itself down to where the walk is; entries come parents
    // first.
    std::vector<Level> open;
    os::Fd base = destination_.make_directory(path, made());
    destination_.keep_times(base.get());
    copies_directory_ = true;
    top_path_ = top;
    base_ = destination_.path_of(base.get());
    const int base_fd = base.get();
    open.push_back({top, std::move(base), {base_fd}});
    for (std::size_t i = 1; i < source.entries.size(); ++i) {
      if (stop_.stop_requested()) throw Error(Errc::cancelled, "cancelled");
      const TreeEntry& entry = source.entries[i];
      while (!is_below(entry.path, open.back().path))
        open.pop_back();
      Parent& parent = open.back().parent;
      if (S_ISDIR(entry.status.st_mode)) {
        open.push_back(copy_directory(entry, parent.fd));
      } else {
        copy_entry(entry, parent, base_of(entry.path), copied_path(entry));
      }
    }
  }

  /// Where an entry below `top` goes, from the destination's root.
  [[nodiscard]] std::string copied_path(const TreeEntry& entry) const {
    const std::string_view rest =
        std::string_view(entry.path).substr(top_path_.empty() ? 0 : top_path_.size() + 1);
    return base_.empty() ? std::string(rest) : fmt::format("{}/{}", base_, rest);
  }

  static bool is_below(std::string_view path, std::string_view directory) {
    return directory.empty() || (path.size() > directory.size() && path.starts_with(directory) &&
                                 path[directory.size()] == '/');
  }

  [[noreturn]] static void fail_no_directory(const TreeEntry& entry, const std::string& name) {
    throw Error(Errc::invalid_input,
                "cannot copy the directory \"{}\": \"{}\" is not a directory in the image",
                entry.path, name);
  }

  Level copy_directory(const TreeEntry& entry, int parent) {
    const std::string name = base_of(entry.path);
    const bool kept = keeps(entry, copied_path(entry));
    struct stat existing{};
    bool is_new = false;
    if (::fstatat(parent, name.c_str(), &existing, AT_SYMLINK_NOFOLLOW) == 0) {
      if (!S_ISDIR(existing.st_mode)) fail_no_directory(entry, name);
    } else if (errno != ENOENT) {
      throw system_error(errno, "stat " + name);
    } else {
      if (options_.packed != nullptr && options_.packed->contains(copied_path(entry)))
        fail_no_directory(entry, name);
      is_new = true;
      if (::mkdirat(parent, name.c_str(), 0700) != 0)
        throw system_error(errno, "make directory " + name);
    }
    os::Fd made(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!made) throw system_error(errno, "open directory " + name);
    const int fd = made.get();
    Level level{entry.path, std::move(made), {fd, true, is_new}};
    if (kept) {
      destination_.keep_times(fd);
      return level;
    }
    if (entry.is_passage && !is_new) {
      destination_.keep_times(fd);
      if (::fchmod(fd, entry.status.st_mode & 07777U) != 0)
        throw system_error(errno, "chmod " + name);
      return level;
    }
    const bool on_earlier = options_.journal != nullptr && options_.journal->is_on_earlier();
    if (on_earlier && !is_new && !are_equal(read_xattrs(fd), entry.xattrs)) {
      // Whose attributes are too many here, the earlier copy's or the layers', nobody knows.
      throw Error(Errc::unavailable, "\"{}\" has other attributes than before", entry.path);
    }
    set_metadata(fd, entry.status, name);
    write_xattrs(fd, entry.xattrs);
    destination_.set_times(fd, time_of(entry));
    return level;
  }

  /// All that the copy shows of an entry; zero where that is not known.
  [[nodiscard]] FileState state_of(const TreeEntry& entry) const {
    const struct stat& status = entry.status;
    const bool regular = S_ISREG(status.st_mode);
    const bool plain = regular || S_ISLNK(status.st_mode) || S_ISDIR(status.st_mode);
    if (!plain || (regular && !entry.digest) || entry.is_passage) return {};
    const OwnerIds owner = owner_of(status);
    const timespec time = time_of(entry);
    std::string text = fmt::format("{:o} {:o} {}:{} {}.{} {} {}", status.st_mode & S_IFMT,
                                   mode_of(status), owner.uid, owner.gid, time.tv_sec, time.tv_nsec,
                                   regular ? status.st_size : 0, entry.link_target);
    if (entry.digest) text += entry.digest->str();
    for (const Xattr& xattr : entry.xattrs)
      text += fmt::format(" {}:{}{}:{}", xattr.name.size(), xattr.name, xattr.value.size(),
                          xattr.value);
    FileState state;
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), state.data());
    return state;
  }

  bool keeps(const TreeEntry& entry, const std::string& path) const {
    return options_.journal != nullptr && options_.journal->keeps(path, state_of(entry));
  }

  void set_metadata(int fd, const struct stat& status, const std::string& name) {
    const OwnerIds owner = owner_of(status);
    if (::fchown(fd, owner.uid, owner.gid) != 0) throw system_error(errno, "chown " + name);
    if (::fchmod(fd, mode_of(status)) != 0) throw system_error(errno, "chmod " + name);
  }

  /// A file with several names is copied, so that its copy has them too; so is one whose copy has
  /// to be compared.
  [[nodiscard]] bool can_be_packed(const TreeEntry& entry) const {
    return options_.packed != nullptr && S_ISREG(entry.status.st_mode) &&
           entry.status.st_nlink == 1 && !entry.may_differ;
  }

  void pack(const TreeEntry& entry, Parent& parent, const std::string& path) {
    // What has new entries is part of the layer.
    if (!parent.is_in_layer) copy_up(parent.fd, path);
    parent.is_in_layer = true;
    const OwnerIds owner = owner_of(entry.status);
    const timespec time = time_of(entry);
    options_.packed->put(
        path, tree_, entry,
        {mode_of(entry.status), owner.uid, owner.gid, time.tv_sec, time.tv_nsec, {}});
  }

  void copy_entry(const TreeEntry& entry,
                  Parent& parent,
                  const std::string& name,
                  const std::string& path) {
    const std::string earlier = earlier_name(entry, path);
    if (keeps(entry, path) && earlier.empty()) return;
    if (!parent.is_new) destination_.clear_place(parent.fd, name);
    if (can_be_packed(entry)) {
      pack(entry, parent, path);
      return;
    }
    if (options_.packed != nullptr) options_.packed->remove(path);
    if (!earlier.empty()) {
      link_to(earlier, path, parent.fd, name);
    } else if (S_ISREG(entry.status.st_mode)) {
      copy_file(entry, parent.fd, name);
    } else {
      copy_special(entry, parent.fd, name);
    }
  }

  /// Links, devices, fifos and sockets.
  void copy_special(const TreeEntry& entry, int parent, const std::string& name) {
    if (S_ISLNK(entry.status.st_mode)) {
      if (::symlinkat(entry.link_target.c_str(), parent, name.c_str()) != 0) {
        throw system_error(errno, "make link " + name);
      }
    } else if (::mknodat(parent, name.c_str(), special_type(entry.status) | 0600U,
                         S_ISSOCK(entry.status.st_mode) ? 0 : entry.status.st_rdev) != 0) {
      throw system_error(errno, "make special file " + name);
    }
    const OwnerIds owner = owner_of(entry.status);
    if (::fchownat(parent, name.c_str(), owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) != 0) {
      throw system_error(errno, "chown " + name);
    }
    if (!S_ISLNK(entry.status.st_mode) &&
        ::fchmodat(parent, name.c_str(), mode_of(entry.status), 0) != 0) {
      throw system_error(errno, "chmod " + name);
    }
    const std::array<timespec, 2> times{time_of(entry), time_of(entry)};
    if (::utimensat(parent, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0) {
      throw system_error(errno, "set times of " + name);
    }
  }

  /// Names of one file in the source are names of one file in the copy: the first of them, "" for
  /// that itself.
  std::string earlier_name(const TreeEntry& entry, const std::string& path) {
    if (!S_ISREG(entry.status.st_mode) || entry.status.st_nlink < 2 || !copies_directory_)
      return "";
    const auto [known, is_new] =
        links_.try_emplace({entry.status.st_dev, entry.status.st_ino}, path);
    return is_new ? "" : known->second;
  }

  void link_to(const std::string& earlier,
               const std::string& path,
               int parent,
               const std::string& name) {
    // The earlier name consists of directories that this copy has opened without following links.
    if (::linkat(destination_.root().fd(), earlier.c_str(), parent, name.c_str(), 0) != 0) {
      throw system_error(errno, "make hard link " + name);
    }
    if (options_.journal == nullptr) return;
    options_.journal->make_anew_next_time(earlier);
    options_.journal->make_anew_next_time(path);
  }

  void copy_file(const TreeEntry& entry, int parent, const std::string& name) {
    const os::Fd from = open_entry(tree_, entry);
    os::Fd to(
        ::openat(parent, name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!to) throw system_error(errno, "create " + name);
    copy_data(from.get(), to.get(), static_cast<std::uint64_t>(entry.status.st_size), entry.path,
              stop_);
    check_unchanged(from.get(), entry);
    const std::vector<Xattr> xattrs = read_xattrs(from.get());
    if (entry.may_differ) check_copy(to.get(), xattrs, entry);
    set_metadata(to.get(), entry.status, name);
    write_xattrs(to.get(), xattrs);  // after chown, which drops capabilities
    const std::array<timespec, 2> times{time_of(entry), time_of(entry)};
    if (::futimens(to.get(), times.data()) != 0) throw system_error(errno, "set times of " + name);
  }

  /// What has arrived must be what the step's key says.
  static void check_copy(int to, const std::vector<Xattr>& xattrs, const TreeEntry& entry) {
    std::vector<std::byte> buffer(kReadBytes);
    if (content_digest(to, xattrs, entry.path, buffer) != entry.digest) fail_changed(entry);
  }

  const SourceTree& tree_;
  Destination& destination_;
  const CopyOptions& options_;
  std::stop_token stop_;
  std::string top_path_;  ///< of the directory whose contents are copied, in the source
  std::string base_;      ///< and in the destination
  bool copies_directory_ = false;
  std::map<std::pair<dev_t, ino_t>, std::string> links_;  ///< first name of each file with several
};

}  // namespace

void copy_tree(const SourceTree& tree,
               const SelectedSource& source,
               Destination& destination,
               const std::string& path,
               const CopyOptions& options,
               std::stop_token stop) {
  TreeCopier(tree, destination, options, std::move(stop)).copy(source, path);
}

}  // namespace kiln::ops
