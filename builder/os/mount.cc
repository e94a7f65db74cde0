#include "builder/os/mount.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "builder/os/fd.h"
#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::os {

namespace {

/// mount(2) takes one page of options.
constexpr std::size_t kMaxMountOptionBytes = 4096;

void configure(const Fd& context, unsigned command, const char* key, const char* value) {
  if (::fsconfig(context.get(), command, key, value, 0) == 0) return;
  const int error = errno;
  // The kernel explains a refused option in the context's message log.
  std::string detail(512, '\0');
  const ssize_t size = ::read(context.get(), detail.data(), detail.size());
  detail.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  throw system_error(error, fmt::format("mount overlay: {}={}{}{}", key ? key : "create",
                                        value ? value : "", detail.empty() ? "" : ": ", detail));
}

void set_option(const Fd& context, const char* key, const std::string& value) {
  configure(context, FSCONFIG_SET_STRING, key, value.c_str());
}

/// Directories by names that an option can carry: fsconfig(2) takes at most 255 bytes, and
/// overlayfs gives ':', ',' and '\\' a meaning. Others are named by a descriptor that is held
/// meanwhile.
class OptionPaths {
 public:
  std::string name(const std::filesystem::path& directory) {
    constexpr std::size_t kMaxBytes = 255;
    if (directory.native().size() <= kMaxBytes &&
        directory.native().find_first_of(":,\\") == std::string::npos) {
      return directory;
    }
    return by_descriptor(directory);
  }
  std::string by_descriptor(const std::filesystem::path& directory) {
    held_.push_back(open_file(directory, O_PATH | O_DIRECTORY));
    return "/proc/self/fd/" + std::to_string(held_.back().get());
  }

 private:
  std::vector<Fd> held_;
};

/// False on kernels before 6.5, which do not know the option.
bool append_lowers(const Fd& context,
                   const std::vector<std::filesystem::path>& top_first,
                   OptionPaths& paths) {
  for (const auto& lower : top_first) {
    const std::string name = paths.name(lower);
    if (::fsconfig(context.get(), FSCONFIG_SET_STRING, "lowerdir+", name.c_str(), 0) == 0) continue;
    const int error = errno;
    if (error == EINVAL && &lower == &top_first.front() && std::filesystem::is_directory(lower)) {
      return false;
    }
    throw system_error(error, "mount overlay: lower directory " + lower.string());
  }
  return true;
}

Fd new_overlay_context() {
  Fd context(::fsopen("overlay", FSOPEN_CLOEXEC));
  if (!context) throw system_error(errno, "overlayfs is not available in this kernel");
  set_option(context, "source", "overlay");
  return context;
}

Fd mount_context(const Fd& context) {
  configure(context, FSCONFIG_CMD_CREATE, nullptr, nullptr);
  Fd mounted(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
  if (!mounted) throw system_error(errno, "mount overlay");
  return mounted;
}

void attach(const Fd& mounted, const std::filesystem::path& target) {
  if (::move_mount(mounted.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0) {
    throw system_error(errno, "attach a mount at " + target.string());
  }
}

}  // namespace

Mount::~Mount() {
  if (!target_.empty()) ::umount2(target_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

void Mount::unmount() {
  if (target_.empty()) return;
  if (::umount2(target_.c_str(), UMOUNT_NOFOLLOW) != 0) {
    throw system_error(errno, "unmount " + target_.string());
  }
  target_.clear();
}

Mount mount_overlay_by_options(const OverlaySpec& spec, const std::filesystem::path& target) {
  OptionPaths paths;
  std::string options = "lowerdir=";
  for (auto lower = spec.lowers.rbegin(); lower != spec.lowers.rend(); ++lower) {
    if (lower != spec.lowers.rbegin()) options += ':';
    options += paths.by_descriptor(*lower);
  }
  if (!spec.upper.empty()) {
    options += ",upperdir=" + paths.by_descriptor(spec.upper);
    options += ",workdir=" + paths.by_descriptor(spec.work);
    options += ",index=off,redirect_dir=off,metacopy=off";
  }
  if (options.size() >= kMaxMountOptionBytes) {
    throw Error(Errc::unavailable,
                "mount overlay: {} layers are more than this kernel takes at once; Linux 6.5 and "
                "newer take 500",
                spec.lowers.size());
  }
  if (::mount("overlay", target.c_str(), "overlay", 0, options.c_str()) != 0) {
    throw system_error(errno, fmt::format("mount overlay of {} layers at {}", spec.lowers.size(),
                                          target.string()));
  }
  return Mount(target);
}

Mount mount_overlay(const OverlaySpec& spec, const std::filesystem::path& target) {
  check(!spec.lowers.empty(), "an overlay has a lower directory");
  if (spec.lowers.size() > kMaxOverlayLayers) {
    throw Error(Errc::invalid_input, "{} layers, more than the {} that the kernel stacks",
                spec.lowers.size(), kMaxOverlayLayers);
  }
  const bool writable = !spec.upper.empty();
  if (!writable && spec.lowers.size() == 1) return mount_bind(spec.lowers.front(), target, true);

  const std::vector<std::filesystem::path> top_first(spec.lowers.rbegin(), spec.lowers.rend());
  const Fd context = new_overlay_context();
  OptionPaths paths;
  if (!append_lowers(context, top_first, paths)) return mount_overlay_by_options(spec, target);
  if (writable) {
    set_option(context, "upperdir", paths.name(spec.upper));
    set_option(context, "workdir", paths.name(spec.work));
    set_option(context, "index", "off");
    set_option(context, "redirect_dir", "off");
    set_option(context, "metacopy", "off");
    // Unmounting would write all dirty pages of the upper file system back, and a command's fsync
    // each of its files: a step that a power cut interrupts is run again, and what is kept is
    // synced once.
    configure(context, FSCONFIG_SET_FLAG, "volatile", nullptr);
  }
  attach(mount_context(context), target);
  return Mount(target);
}

Mount mount_bind(const std::filesystem::path& source,
                 const std::filesystem::path& target,
                 bool read_only) {
  const Fd tree(static_cast<int>(::open_tree(
      AT_FDCWD, source.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW)));
  if (!tree) throw system_error(errno, "bind " + source.string());
  if (read_only) {
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_RDONLY;
    if (::mount_setattr(tree.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0) {
      throw system_error(errno, "make a bind of " + source.string() + " read-only");
    }
  }
  attach(tree, target);
  return Mount(target);
}

Mount mount_memory(const std::filesystem::path& target, std::uint64_t size_bytes) {
  const std::string options = fmt::format("mode=0700,size={}", size_bytes);
  const auto mount = [&](const std::string& text) {
    return ::mount("tmpfs", target.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, text.c_str()) == 0;
  };
  if (!mount(options + ",noswap") && (errno != EINVAL || !mount(options)))
    throw system_error(errno, "mount memory at " + target.string());
  return Mount(target);
}

void enter_private_mount_namespace() {
  if (::unshare(CLONE_NEWNS) != 0) {
    throw system_error(errno, "make a mount namespace (kilnd needs root, or CAP_SYS_ADMIN)");
  }
  // Slave, not private: what the host unmounts goes away here too and is not kept busy by us.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) {
    throw system_error(errno, "stop mounts from propagating out");
  }
}

bool unify_cgroup_layout() {
  struct statfs status{};
  if (::statfs("/sys/fs/cgroup", &status) != 0) throw system_error(errno, "look at /sys/fs/cgroup");
  if (static_cast<unsigned long>(status.f_type) == CGROUP2_SUPER_MAGIC) return false;
  if (::mount("cgroup2", "/sys/fs/cgroup", "cgroup2", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) !=
      0) {
    throw system_error(errno, "mount cgroup2 at /sys/fs/cgroup");
  }
  return true;
}

}  // namespace kiln::os
