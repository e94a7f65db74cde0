#include "builder/ops/tree_digest.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>
#include <string_view>

#include "builder/ops/xattrs.h"
#include "proto/error.h"

namespace kiln::ops {

namespace {

constexpr std::size_t kTextBytes = 64 * 1024;  // hashed together

std::int64_t to_ns(const timespec& time) {
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

store::FileIdentity identity(const struct stat& status) {
  return {status.st_dev,         status.st_ino,         static_cast<std::uint64_t>(status.st_size),
          to_ns(status.st_mtim), to_ns(status.st_ctim), status.st_mode};
}

void add_xattrs(const std::vector<Xattr>& xattrs, std::string& text) {
  for (const Xattr& xattr : xattrs) {
    fmt::format_to(std::back_inserter(text), "{}:{}{}:", xattr.name.size(), xattr.name,
                   xattr.value.size());
    text += xattr.value;
  }
}

/// One line an entry: what of it an image would show, but for its time.
void describe(const TreeEntry& entry,
              std::string_view name,
              const Digest* digest,
              Owners owners,
              std::string& text) {
  const struct stat& status = entry.status;
  const auto end = std::back_inserter(text);
  fmt::format_to(end, "{}:{} {:o}{} ", name.size(), name, status.st_mode,
                 entry.is_passage ? " passage" : "");
  if (S_ISREG(status.st_mode)) {
    text += digest->hex();
  } else if (S_ISLNK(status.st_mode)) {
    fmt::format_to(end, "{}:{}", entry.link_target.size(), entry.link_target);
  } else if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
    text += std::to_string(status.st_rdev);
  }
  if (owners == Owners::counted) fmt::format_to(end, " {}:{}", status.st_uid, status.st_gid);
  add_xattrs(entry.xattrs, text);
  text += '\n';
}

}  // namespace

Digest content_digest(int fd,
                      const std::vector<Xattr>& xattrs,
                      const std::string& path,
                      MutableBytes buffer,
                      const std::stop_token& stop) {
  Sha256 sha;
  for (off_t at = 0;;) {
    if (stop.stop_requested()) throw Error(Errc::cancelled, "cancelled while hashing files");
    const ssize_t count = ::pread(fd, buffer.data(), buffer.size(), at);
    if (count < 0) throw system_error(errno, fmt::format("read \"{}\"", path));
    if (count == 0) break;
    sha.update(buffer.first(static_cast<std::size_t>(count)));
    at += count;
  }
  return with_xattrs(sha.finish(), xattrs);
}

Digest with_xattrs(Digest content, const std::vector<Xattr>& xattrs) {
  if (xattrs.empty()) return content;
  std::string both = content.str();
  add_xattrs(xattrs, both);
  return sha256(both);
}

SelectedFiles regular_files(const std::vector<SelectedSource>& sources) {
  SelectedFiles files;
  std::size_t entries = 0;
  for (const SelectedSource& source : sources)
    entries += source.entries.size();
  files.entries.reserve(entries);
  files.identities.reserve(entries);
  for (const SelectedSource& source : sources) {
    for (const TreeEntry& entry : source.entries) {
      if (!S_ISREG(entry.status.st_mode)) continue;
      files.entries.push_back(&entry);
      files.identities.push_back(identity(entry.status));
    }
  }
  return files;
}

std::vector<graph::KeyPart> summarize(const std::vector<SelectedSource>& sources,
                                      const SelectedFiles& files,
                                      Owners owners) {
  std::vector<graph::KeyPart> parts;
  std::size_t file = 0;
  std::string text;
  for (const SelectedSource& source : sources) {
    Sha256 sha;
    const std::string& top = source.entries.front().path;
    for (const TreeEntry& entry : source.entries) {
      // Names count below the source; its own place does not (a copy shows only its last
      // component).
      const std::string_view name =
          entry.path.size() > top.size()
              ? std::string_view(entry.path).substr(top.empty() ? 0 : top.size() + 1)
              : std::string_view();
      const bool regular = S_ISREG(entry.status.st_mode);
      describe(entry, name, regular ? &*files.digests[file++] : nullptr, owners, text);
      if (text.size() < kTextBytes) continue;
      sha.update(text);
      text.clear();
    }
    sha.update(text);
    text.clear();
    parts.push_back({fmt::format("source {} {}", source.text, source.name), sha.finish().str()});
  }
  return parts;
}

}  // namespace kiln::ops
