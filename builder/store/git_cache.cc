#include "builder/store/git_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "builder/os/dir.h"
#include "builder/os/file.h"
#include "builder/store/disk_size.h"
#include "proto/digest.h"
#include "proto/error.h"

namespace kiln::store {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kIdDigits = 32;
constexpr const char* kFolder = "git";

void make_directory(const fs::path& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    throw system_error(errno, "make directory " + path.string());
}

os::Fd open_directory(const fs::path& path) {
  return os::open_file(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

/// False when the directory of that name is another by now.
bool is_named(const os::Fd& directory, const fs::path& path) {
  struct stat open{};
  struct stat named{};
  return ::fstat(directory.get(), &open) == 0 && ::lstat(path.c_str(), &named) == 0 &&
         open.st_ino == named.st_ino && open.st_dev == named.st_dev;
}

/// None when the folder does not exist: no repository was ever fetched.
std::vector<os::DirEntry> repositories(const Store& store) {
  const fs::path folder = store.root() / kFolder;
  struct stat status{};
  if (::lstat(folder.c_str(), &status) != 0) return {};
  return os::Dir::open(folder).entries();
}

/// What a git that was killed left: its locks are files, its transfers have names of their own.
/// Whoever made them is gone, since the lock on the repository is ours.
void remove_leftovers(const fs::path& repository) {
  std::vector<fs::path> found;
  const auto look = [&found](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename();
    if (name.ends_with(".lock") || name.starts_with("tmp_")) found.push_back(entry.path());
  };
  for (const fs::directory_entry& entry : fs::directory_iterator(repository))
    look(entry);
  for (const char* folder : {"refs", "objects"}) {
    if (!fs::exists(repository / folder)) continue;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(repository / folder))
      look(entry);
  }
  for (const fs::path& path : found)
    fs::remove_all(path);
}

}  // namespace

HeldRepository::HeldRepository(const Store& store, std::string_view name) {
  const fs::path folder = store.root() / kFolder;
  make_directory(folder);
  path_ = folder / std::string(sha256(name).hex().substr(0, kIdDigits));
  do {
    make_directory(path_);
    try {
      directory_ = open_directory(path_);
    } catch (const Error& error) {
      if (error.code() != Errc::not_found) throw;
      continue;  // pruned in between
    }
    while (::flock(directory_.get(), LOCK_EX) != 0) {
      if (errno != EINTR) throw system_error(errno, "lock " + path_.string());
    }
  } while (!directory_ || !is_named(directory_, path_));
  remove_leftovers(path_);
}

HeldRepository::~HeldRepository() {
  // Without it the repository goes sooner: no failure.
  if (directory_) ::futimens(directory_.get(), nullptr);
}

void each_unused_repository(const Store& store, const std::function<void(const fs::path&)>& take) {
  for (const os::DirEntry& entry : repositories(store)) {
    const fs::path path = store.root() / kFolder / entry.name;
    const os::Fd directory = open_directory(path);
    if (::flock(directory.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) continue;
      throw system_error(errno, "lock " + path.string());
    }
    take(path);
  }
}

std::uint64_t remove_repository(Store& store, const std::string& id) {
  const fs::path path = store.root() / kFolder / id;
  const os::TempDir trash = store.make_temp("git");
  os::Fd directory;
  try {
    directory = open_directory(path);
  } catch (const Error& error) {
    if (error.code() == Errc::not_found) return 0;
    throw;
  }
  if (::flock(directory.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return 0;
    throw system_error(errno, "lock " + path.string());
  }
  const fs::path target = trash.path() / "repository";
  if (::rename(path.c_str(), target.c_str()) != 0)
    throw system_error(errno, "rename to " + target.string());
  return disk_bytes(target);
}

std::uint64_t count_repositories(const Store& store) {
  return repositories(store).size();
}

}  // namespace kiln::store
