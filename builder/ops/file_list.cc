#include "builder/ops/file_list.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

namespace kiln::ops {

namespace {

constexpr std::size_t kDigits = 16;

std::string digest_of(const std::vector<Xattr>& xattrs) {
  if (xattrs.empty()) return {};
  Sha256 sha;
  for (const Xattr& xattr : xattrs) {
    sha.update(fmt::format("{}:{}{}:", xattr.name.size(), xattr.name, xattr.value.size()));
    sha.update(xattr.value);
  }
  return std::string(sha.finish().hex().substr(0, kDigits));
}

std::string content_of(const TreeEntry& entry) {
  if (S_ISLNK(entry.status.st_mode)) return entry.link_target;
  if (S_ISREG(entry.status.st_mode) && entry.digest)
    return std::string(entry.digest->hex().substr(0, kDigits));
  return digest_of(entry.xattrs);
}

std::string type_name(std::uint32_t mode) {
  if (S_ISREG(mode)) return "file";
  if (S_ISDIR(mode)) return "directory";
  if (S_ISLNK(mode)) return "link";
  return "special file";
}

/// What of a path changed that is in both lists; the first that counts.
std::optional<Difference> compare(const store::ListedFile& before, const store::ListedFile& after) {
  const auto changed = [&](std::string what, std::string from = {}, std::string to = {}) {
    return Difference{DifferenceKind::file, after.path, std::move(what), std::move(from),
                      std::move(to)};
  };
  if ((before.mode & S_IFMT) != (after.mode & S_IFMT))
    return changed("type", type_name(before.mode), type_name(after.mode));
  if (before.content != after.content) {
    if (S_ISLNK(after.mode)) return changed("link", before.content, after.content);
    return changed(S_ISREG(after.mode) ? "content" : "attributes");
  }
  if (before.mode != after.mode)
    return changed("mode", fmt::format("{:o}", before.mode & 07777U),
                   fmt::format("{:o}", after.mode & 07777U));
  if (before.owner != after.owner) return changed("owner", before.owner, after.owner);
  return std::nullopt;
}

}  // namespace

std::vector<store::ListedFile> list_files(const ContextSelection& selection) {
  std::vector<store::ListedFile> files;
  const bool owners = selection.directory->is_ours;
  for (const SelectedSource& source : selection.sources) {
    for (const TreeEntry& entry : source.entries) {
      const struct stat& status = entry.status;
      files.push_back({entry.path.empty() ? "." : entry.path, status.st_mode,
                       owners ? fmt::format("{}:{}", status.st_uid, status.st_gid) : "",
                       content_of(entry)});
    }
  }
  return files;
}

std::vector<Difference> compare(std::vector<store::ListedFile> before,
                                std::vector<store::ListedFile> after) {
  std::ranges::sort(before, {}, &store::ListedFile::path);
  std::ranges::sort(after, {}, &store::ListedFile::path);
  std::vector<Difference> differences;
  const auto one_sided = [&differences](const store::ListedFile& file, std::string change) {
    differences.push_back({DifferenceKind::file, file.path, std::move(change), "", ""});
  };
  auto old = before.begin();
  auto now = after.begin();
  while (old != before.end() || now != after.end()) {
    if (now == after.end() || (old != before.end() && old->path < now->path)) {
      one_sided(*old++, "removed");
    } else if (old == before.end() || now->path < old->path) {
      one_sided(*now++, "added");
    } else {
      if (auto difference = compare(*old, *now)) differences.push_back(std::move(*difference));
      ++old;
      ++now;
    }
  }
  return differences;
}

}  // namespace kiln::ops
