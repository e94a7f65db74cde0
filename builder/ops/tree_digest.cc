#include "builder/ops/tree_digest.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "builder/ops/xattrs.h"
#include "proto/error.h"

namespace kiln::ops {

namespace {

std::int64_t to_ns(const timespec& time) {
  return time.tv_sec * 1'000'000'000LL + time.tv_nsec;
}

store::FileIdentity identity(const struct stat& status) {
  return {status.st_dev,         status.st_ino,         static_cast<std::uint64_t>(status.st_size),
          to_ns(status.st_mtim), to_ns(status.st_ctim), status.st_mode};
}

void add_xattrs(const std::vector<Xattr>& xattrs, Sha256& sha) {
  for (const Xattr& xattr : xattrs) {
    sha.update(fmt::format("{}:{}{}:", xattr.name.size(), xattr.name, xattr.value.size()));
    sha.update(xattr.value);
  }
}

/// One line an entry: what of it an image would show, but for its time.
void describe(const TreeEntry& entry,
              const std::string& name,
              const std::optional<Digest>& digest,
              Owners owners,
              Sha256& sha) {
  const struct stat& status = entry.status;
  std::string line = fmt::format("{}:{} {:o}{} ", name.size(), name, status.st_mode,
                                 entry.is_passage ? " passage" : "");
  if (S_ISREG(status.st_mode)) {
    line += digest->hex();
  } else if (S_ISLNK(status.st_mode)) {
    line += fmt::format("{}:{}", entry.link_target.size(), entry.link_target);
  } else if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
    line += std::to_string(status.st_rdev);
  }
  if (owners == Owners::counted) line += fmt::format(" {}:{}", status.st_uid, status.st_gid);
  sha.update(line);
  add_xattrs(entry.xattrs, sha);
  sha.update("\n");
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
  Sha256 both;
  both.update(content.str());
  add_xattrs(xattrs, both);
  return both.finish();
}

SelectedFiles regular_files(const std::vector<SelectedSource>& sources) {
  SelectedFiles files;
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
  for (const SelectedSource& source : sources) {
    Sha256 sha;
    const std::string& top = source.entries.front().path;
    for (const TreeEntry& entry : source.entries) {
      // Names count below the source; its own place does not (a copy shows only its last
      // component).
      const std::string name = entry.path.size() > top.size()
                                   ? entry.path.substr(top.empty() ? 0 : top.size() + 1)
                                   : std::string();
      const bool regular = S_ISREG(entry.status.st_mode);
      describe(entry, name, regular ? files.digests[file++] : std::nullopt, owners, sha);
    }
    parts.push_back({fmt::format("source {} {}", source.text, source.name), sha.finish().str()});
  }
  return parts;
}

}  // namespace kiln::ops
