#include "builder/cache/layout_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <random>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::cache {

namespace {

constexpr const char* kRefName = "org.opencontainers.image.ref.name";
constexpr const char* kBlobs = "blobs/sha256";
constexpr std::string_view kLayoutFile = R"({"imageLayoutVersion":"1.0.0"})";

bool is_called(const oci::Descriptor& entry, const std::string& tag) {
  const auto name = entry.annotations.find(kRefName);
  return name != entry.annotations.end() && name->second == tag;
}

/// Nobody but us uses it; a crash may leave it behind.
std::string temporary_name() {
  std::random_device random;
  return fmt::format(".kiln-{:08x}{:08x}", random(), random());
}

void make_folder(const os::Dir& parent, const std::string& name) {
  if (::mkdirat(parent.fd(), name.c_str(), 0755) != 0 && errno != EEXIST)
    throw system_error(errno, "make directory " + name);
}

}  // namespace

LayoutFiles::LayoutFiles(os::Fd directory, os::Peer peer)
    : directory_(std::move(directory)), peer_(std::move(peer)) {}

oci::Index LayoutFiles::entries() const {
  std::optional<os::Fd> file;
  {
    const os::ActAs as_peer(peer_);
    file = directory_.try_open_at("index.json", O_RDONLY | O_NONBLOCK, os::Links::refuse);
  }
  if (!file) return {};
  const std::string text = os::read_all(file->get(), "index.json", oci::kMaxDocumentBytes);
  return within("index.json", [&] { return oci::parse_index(text); });
}

std::optional<oci::Descriptor> LayoutFiles::find(const std::string& tag) const {
  for (oci::Descriptor& entry : entries().manifests) {
    if (is_called(entry, tag)) return std::move(entry);
  }
  return std::nullopt;
}

void LayoutFiles::name(const std::string& tag, oci::Descriptor root) const {
  oci::Index index = entries();
  std::erase_if(index.manifests,
                [&](const oci::Descriptor& entry) { return is_called(entry, tag); });
  root.annotations[kRefName] = tag;
  index.manifests.push_back(std::move(root));
  BytesSource layout(as_bytes(kLayoutFile));
  write_file(directory_, "oci-layout", layout);
  const std::string text = oci::to_json(index);
  BytesSource source(as_bytes(text));
  write_file(directory_, "index.json", source);
}

os::Fd LayoutFiles::open(const Digest& digest) const {
  const std::string path = fmt::format("{}/{}", kBlobs, digest.hex());
  const os::ActAs as_peer(peer_);
  auto file = directory_.try_open_at(path, O_RDONLY | O_NONBLOCK, os::Links::refuse);
  if (!file) throw Error(Errc::not_found, "{}: no such file", path);
  struct stat status{};
  if (::fstat(file->get(), &status) != 0) throw system_error(errno, "stat " + path);
  if (!S_ISREG(status.st_mode)) throw Error(Errc::corrupt, "{}: not a regular file", path);
  return std::move(*file);
}

std::string LayoutFiles::read(const Digest& digest) const {
  std::string text = os::read_all(open(digest).get(), digest.str(), oci::kMaxDocumentBytes);
  if (sha256(text) != digest) throw Error(Errc::corrupt, "{}: its file is damaged", digest.str());
  return text;
}

os::Dir LayoutFiles::folder(const std::string& path) const {
  const os::ActAs as_peer(peer_);
  return directory_.open_dir(path, os::Links::refuse);
}

void LayoutFiles::write(const Digest& digest, std::uint64_t bytes, Source& source) const {
  {
    const os::ActAs as_peer(peer_);
    make_folder(directory_, "blobs");
    make_folder(directory_.open_dir("blobs", os::Links::refuse), "sha256");
  }
  const os::Dir blobs = folder(kBlobs);
  const std::string name(digest.hex());
  struct stat status{};
  if (::fstatat(blobs.fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
      S_ISREG(status.st_mode) && static_cast<std::uint64_t>(status.st_size) == bytes)
    return;
  write_file(blobs, name, source);
}

/// Under a name of its own first: whoever looks sees all of it or nothing.
void LayoutFiles::write_file(const os::Dir& folder, const std::string& name, Source& source) const {
  const std::string temporary = temporary_name();
  os::Fd file;
  {
    const os::ActAs as_peer(peer_);
    file = os::Fd(::openat(folder.fd(), temporary.c_str(),
                           O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  }
  if (!file) throw system_error(errno, "create a file for " + name);
  try {
    os::FileSink sink(std::move(file), name);
    copy(source, sink);
    sink.finish();
    const os::ActAs as_peer(peer_);
    if (::renameat(folder.fd(), temporary.c_str(), folder.fd(), name.c_str()) != 0)
      throw system_error(errno, "rename to " + name);
  } catch (...) {
    const os::ActAs as_peer(peer_);
    ::unlinkat(folder.fd(), temporary.c_str(), 0);
    throw;
  }
}

void LayoutFiles::remove(const Digest& digest) const {
  const os::Dir blobs = folder(kBlobs);
  const os::ActAs as_peer(peer_);
  if (::unlinkat(blobs.fd(), std::string(digest.hex()).c_str(), 0) != 0 && errno != ENOENT)
    throw system_error(errno, "remove " + digest.str());
}

bool LayoutFiles::try_lock() const {
  if (::flock(directory_.fd(), LOCK_EX | LOCK_NB) == 0) return true;
  if (errno != EWOULDBLOCK) throw system_error(errno, "lock the directory");
  return false;
}

void LayoutFiles::unlock() const noexcept {
  ::flock(directory_.fd(), LOCK_UN);
}

}  // namespace kiln::cache
