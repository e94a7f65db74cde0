#include "tests/unit/layer/tree.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <random>
#include <stdexcept>

#include "proto/digest.h"

namespace kiln::layer::testing {

namespace fs = std::filesystem;

namespace {

void must(int result, const std::string& what) {
  if (result != 0) throw std::runtime_error(what + ": " + std::strerror(errno));
}

std::string xattrs_of(const fs::path& path) {
  std::array<char, 4096> names;
  const ssize_t size = ::llistxattr(path.c_str(), names.data(), names.size());
  std::vector<std::string> lines;
  for (ssize_t at = 0; at < size;) {
    const std::string name(names.data() + at);
    at += static_cast<ssize_t>(name.size()) + 1;
    std::array<char, 4096> value;
    const ssize_t length = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    std::string hex;
    for (ssize_t i = 0; i < length; ++i)
      hex += fmt::format("{:02x}", static_cast<unsigned char>(value[static_cast<std::size_t>(i)]));
    lines.push_back(name + "=" + hex);
  }
  std::ranges::sort(lines);
  return fmt::format("{}", fmt::join(lines, ","));
}

std::string content_of(const fs::path& path, const struct stat& status) {
  if (S_ISREG(status.st_mode)) {
    os::FileSource file(os::open_file(path, O_RDONLY), path.string());
    Sha256 sha;
    std::vector<std::byte> buffer(1 << 20);
    while (const std::size_t count = file.read(buffer))
      sha.update(Bytes(buffer).first(count));
    return fmt::format("{} {}", status.st_size, sha.finish().short_hex());
  }
  if (S_ISLNK(status.st_mode)) return fs::read_symlink(path).string();
  if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))
    return fmt::format("{}:{}", major(status.st_rdev), minor(status.st_rdev));
  return "";
}

}  // namespace

fs::path Scratch::make(const std::string& name) const {
  fs::create_directories(path() / name);
  return path() / name;
}

void put_file(const fs::path& path, std::string_view text, unsigned mode) {
  fs::create_directories(path.parent_path());
  const os::Fd fd = os::open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  os::write_all(fd.get(), as_bytes(text), path.string());
  must(::fchmod(fd.get(), mode), "chmod " + path.string());
}

void set_xattr(const fs::path& path, const std::string& name, const std::string& value) {
  must(::lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0),
       "setxattr " + name + " " + path.string());
}

void set_mtime(const fs::path& path, std::int64_t seconds) {
  const struct timespec times[2] = {{seconds, 0}, {seconds, 0}};
  must(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), "utimensat");
}

void make_whiteout(const fs::path& path) {
  must(::mknod(path.c_str(), S_IFCHR, makedev(0, 0)), "mknod " + path.string());
}

std::map<std::string, std::string> describe(const fs::path& root) {
  std::map<std::string, std::string> result;
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(root))
    paths.push_back(entry.path());
  std::ranges::sort(paths);
  std::map<ino_t, std::string> inodes;
  for (const fs::path& path : paths) {
    struct stat status{};
    must(::lstat(path.c_str(), &status), "lstat " + path.string());
    const std::string name = path.lexically_relative(root).string();
    const std::string first = inodes.try_emplace(status.st_ino, name).first->second;
    // Deletions have no time and owner of their own.
    const bool deletion = S_ISCHR(status.st_mode) && status.st_rdev == 0;
    result[name] = deletion ? "deletion"
                            : fmt::format("{:06o} {}:{} t{} [{}] {{{}}} ={}", status.st_mode,
                                          status.st_uid, status.st_gid, status.st_mtim.tv_sec,
                                          content_of(path, status), xattrs_of(path), first);
  }
  return result;
}

std::string run(const std::string& command) {
  std::string output;
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "re");
  if (pipe == nullptr) throw std::runtime_error("popen");
  std::array<char, 4096> buffer;
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe))
    output.append(buffer.data(), count);
  const int status = ::pclose(pipe);
  if (status != 0) output += fmt::format("exit {}", WEXITSTATUS(status));
  return output;
}

std::size_t DripSource::read(MutableBytes buffer) {
  const std::size_t count = std::min({buffer.size(), step_, bytes_.size() - position_});
  std::memcpy(buffer.data(), bytes_.data() + position_, count);
  position_ += count;
  return count;
}

std::string read_all(Source& source) {
  StringSink sink(1U << 30);
  copy(source, sink);
  return sink.take();
}

std::string sample_text(std::size_t bytes) {
  std::string text;
  for (unsigned i = 0; text.size() < bytes; ++i)
    text += fmt::format("line {} of a file that says {} again\n", i, i * 7919 % 1000);
  text.resize(bytes);
  return text;
}

std::string noise(std::size_t bytes, unsigned seed) {
  std::mt19937_64 random(seed);
  std::string text(bytes, '\0');
  for (char& c : text)
    c = static_cast<char>(random());
  return text;
}

}  // namespace kiln::layer::testing
