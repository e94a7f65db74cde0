#include "builder/layer/directory_spool.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::layer {

namespace {

constexpr std::size_t kBufferBytes = 64 * 1024;

// Record: path, mtime, mtime_ns, number of xattrs, then name and value of each.
// Numbers are 8 bytes in this machine's order, strings have their length in front.
void put(std::string& out, std::int64_t number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void put(std::string& out, const std::string& text) {
  put(out, static_cast<std::int64_t>(text.size()));
  out += text;
}

class Records {
 public:
  explicit Records(int fd) : fd_(fd) {}

  bool at_end() { return position_ == buffer_.size() && !fill(1); }

  std::int64_t number() {
    std::int64_t value = 0;
    check(fill(sizeof value), "a directory record is whole");
    std::memcpy(&value, buffer_.data() + position_, sizeof value);
    position_ += sizeof value;
    return value;
  }

  std::string text() {
    const auto size = static_cast<std::size_t>(number());
    check(fill(size), "a directory record is whole");
    std::string value = buffer_.substr(position_, size);
    position_ += size;
    return value;
  }

 private:
  // True when `wanted` bytes are in the buffer.
  bool fill(std::size_t wanted) {
    if (buffer_.size() - position_ >= wanted) return true;
    buffer_.erase(0, position_);
    position_ = 0;
    std::array<char, kBufferBytes> block;
    while (buffer_.size() < wanted) {
      const ssize_t count = ::read(fd_, block.data(), block.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw system_error(errno, "read directory records");
      if (count == 0) return false;
      buffer_.append(block.data(), static_cast<std::size_t>(count));
    }
    return true;
  }

  int fd_;
  std::string buffer_;
  std::size_t position_ = 0;
};

os::Fd unnamed_file(const os::Dir& root) {
  os::Fd file(::openat(root.fd(), ".", O_TMPFILE | O_RDWR | O_CLOEXEC, static_cast<mode_t>(0600)));
  if (!file && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
    file = os::Fd(::memfd_create("kiln-directories", MFD_CLOEXEC));
  if (!file) throw system_error(errno, "make an unnamed file");
  return file;
}

}  // namespace

void DirectorySpool::add(const std::string& path, const Attributes& attributes) {
  put(buffer_, path);
  put(buffer_, attributes.mtime);
  put(buffer_, static_cast<std::int64_t>(attributes.mtime_ns));
  put(buffer_, static_cast<std::int64_t>(attributes.xattrs.size()));
  for (const Xattr& xattr : attributes.xattrs) {
    put(buffer_, xattr.name);
    put(buffer_, xattr.value);
  }
  if (buffer_.size() >= kBufferBytes) flush();
}

void DirectorySpool::flush() {
  if (!file_) file_ = unnamed_file(root_);
  os::write_all(file_.get(), as_bytes(buffer_), "directory records");
  buffer_.clear();
}

void DirectorySpool::apply() {
  if (buffer_.empty() && !file_) return;
  flush();
  if (::lseek(file_.get(), 0, SEEK_SET) < 0) throw system_error(errno, "rewind directory records");
  Records records(file_.get());
  while (!records.at_end()) {
    const std::string path = records.text();
    Attributes attributes;
    attributes.mtime = records.number();
    attributes.mtime_ns = static_cast<long>(records.number());
    for (std::int64_t rest = records.number(); rest > 0; --rest) {
      std::string name = records.text();
      attributes.xattrs.push_back({std::move(name), records.text()});
    }
    set(path, attributes);
  }
  file_ = os::Fd();
}

void DirectorySpool::set(const std::string& path, const Attributes& attributes) const {
  std::optional<os::Fd> directory;
  try {
    directory = root_.try_open_at(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, os::Links::in_root);
  } catch (const Error& error) {
    // A link is in its place now: a later entry of the archive has replaced it.
    if (error.code() != Errc::denied) throw;
  }
  if (!directory) return;
  write_xattrs(directory->get(), attributes.xattrs, path);
  const struct timespec times[2] = {{0, UTIME_OMIT}, {attributes.mtime, attributes.mtime_ns}};
  if (::futimens(directory->get(), times) != 0) throw system_error(errno, "set times of " + path);
}

}  // namespace kiln::layer
