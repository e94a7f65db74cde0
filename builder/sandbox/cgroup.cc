#include "builder/sandbox/cgroup.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <string>

#include "builder/os/dir.h"
#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::sandbox {

namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience{10};

bool is_missing(int errno_value) {
  // ENODEV: the cgroup went away between opening its file and using it.
  return errno_value == ENOENT || errno_value == ENODEV;
}

/// cgroup.events changes are told as exceptional conditions, so nothing is asked over and over.
void wait_until_empty(const std::filesystem::path& directory, std::chrono::milliseconds patience) {
  const std::string path = directory / "cgroup.events";
  const os::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    if (is_missing(errno)) return;
    throw system_error(errno, "open " + path);
  }
  const auto deadline = steady_clock::now() + patience;
  while (true) {
    char text[256];
    const ssize_t size = ::pread(fd.get(), text, sizeof text, 0);
    if (size < 0 && is_missing(errno)) return;
    if (size < 0) throw system_error(errno, "read " + path);
    if (std::string_view(text, static_cast<std::size_t>(size)).contains("populated 0")) return;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0) {
      throw Error(Errc::unavailable, "{}: processes are still alive {} ms after they were killed",
                  directory.string(), patience.count());
    }
    pollfd change{fd.get(), POLLPRI, 0};
    ::poll(&change, 1, static_cast<int>(left.count()));
  }
}

void remove_empty(const std::filesystem::path& directory) {
  if (::rmdir(directory.c_str()) == 0 || errno == ENOENT) return;
  // A command with full privileges may have made cgroups of its own below its step's.
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (entry.is_directory(error)) remove_empty(entry.path());
  }
  if (::rmdir(directory.c_str()) != 0 && errno != ENOENT) {
    throw system_error(errno, "remove the cgroup " + directory.string());
  }
}

void require_unified_hierarchy() {
  struct statfs status{};
  if (::statfs(kCgroupRoot, &status) != 0)
    throw system_error(errno, std::string("look at ") + kCgroupRoot);
  if (static_cast<unsigned long>(status.f_type) != CGROUP2_SUPER_MAGIC) {
    throw Error(Errc::unavailable, "{}: not the unified cgroup hierarchy (v2), which RUN needs",
                kCgroupRoot);
  }
}

}  // namespace

void kill_cgroup(const std::filesystem::path& directory) {
  const std::string path = directory / "cgroup.kill";
  const os::Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) {
    struct stat status{};
    if (is_missing(errno) && ::stat(directory.c_str(), &status) != 0) return;
    throw system_error(errno, "open " + path + " (Linux 5.14 or newer has it)");
  }
  if (::write(fd.get(), "1", 1) != 1 && !is_missing(errno))
    throw system_error(errno, "write " + path);
}

void remove_cgroup(const std::filesystem::path& directory, std::chrono::milliseconds patience) {
  wait_until_empty(directory, patience);
  remove_empty(directory);
}

Cgroup::Cgroup(std::filesystem::path directory) {
  require_unified_hierarchy();
  if (::mkdir(directory.c_str(), 0755) != 0) {
    if (errno != EEXIST) throw system_error(errno, "make the cgroup " + directory.string());
    kill_cgroup(directory);
    remove_cgroup(directory, kPatience);
    if (::mkdir(directory.c_str(), 0755) != 0)
      throw system_error(errno, "make the cgroup " + directory.string());
  }
  directory_ = std::move(directory);
}

void Cgroup::close() {
  if (directory_.empty()) return;
  const auto directory = std::exchange(directory_, {});
  kill_cgroup(directory);
  remove_cgroup(directory, kPatience);
}

Cgroup::~Cgroup() {
  try {
    close();
  } catch (const Error&) {
    return;  // the next start finds it by its name and tries again
  }
}

}  // namespace kiln::sandbox
