#include "builder/ops/packed_files.h"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "builder/ops/entry_opener.h"
#include "builder/ops/xattrs.h"
#include "proto/error.h"

namespace kiln::ops {

namespace {

/// Files that are open before their turn, and how many are opened together: neighbours cost less.
constexpr std::size_t kAhead = 128;
constexpr std::size_t kTogether = 32;
/// Of a longer file the kernel reads the rest ahead itself, once it is being read.
constexpr off_t kAskedBytes = 256L * 1024;

/// The directory, "" for the root, and the name in it.
std::pair<std::string_view, std::string_view> split(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

void PackedFiles::put(std::string_view path,
                      const SourceTree& tree,
                      const TreeEntry& entry,
                      layer::Attributes attributes) {
  const auto [directory, name] = split(path);
  auto place = directories_.find(directory);
  if (place == directories_.end()) place = directories_.emplace(directory, Names()).first;
  place->second.insert_or_assign(std::string(name), files_.size());
  files_.push_back({&tree, &entry, std::move(attributes)});
  total_bytes_ += static_cast<std::uint64_t>(entry.status.st_size);
}

void PackedFiles::remove(std::string_view path) {
  const auto [directory, name] = split(path);
  const auto place = directories_.find(directory);
  if (place == directories_.end()) return;
  if (const auto found = place->second.find(name); found != place->second.end())
    place->second.erase(found);
}

bool PackedFiles::contains(std::string_view path) const {
  const auto [directory, name] = split(path);
  const auto place = directories_.find(directory);
  return place != directories_.end() && place->second.contains(name);
}

const layer::OutsideFiles::Names* PackedFiles::in(std::string_view directory) const {
  const auto place = directories_.find(directory);
  return place == directories_.end() ? nullptr : &place->second;
}

layer::OutsideFiles::Opened PackedFiles::open(std::size_t file) {
  const File& one = files_.at(file);
  Opened opened{take(file), one.attributes, static_cast<std::uint64_t>(one.entry->status.st_size)};
  for (Xattr& xattr : read_xattrs(opened.fd.get()))
    opened.attributes.xattrs.push_back({std::move(xattr.name), std::move(xattr.value)});
  return opened;
}

/// The files are asked for in about the order in which they were put.
os::Fd PackedFiles::take(std::size_t file) {
  if (file < first_ahead_ || file >= first_ahead_ + ahead_.size()) {
    ahead_.clear();
    first_ahead_ = file;
  }
  for (; first_ahead_ < file; ++first_ahead_)
    ahead_.pop_front();
  if (ahead_.size() <= kAhead - kTogether) open_next();
  os::Fd fd = std::move(ahead_.front());
  const File& one = files_[file];
  return fd ? std::move(fd) : open_entry(*one.tree, *one.entry);
}

void PackedFiles::open_next() {
  const std::size_t begin = first_ahead_ + ahead_.size();
  const std::size_t end = std::min(files_.size(), begin + kTogether);
  if (begin == end) return;
  const SourceTree* tree = files_[begin].tree;
  EntryOpener opener(*tree);
  for (std::size_t i = begin; i < end && files_[i].tree == tree; ++i) {
    os::Fd fd;
    try {
      fd = opener.open(*files_[i].entry);
      // Advice: where it is not taken, the file is read from the disk when its turn has come.
      ::posix_fadvise(fd.get(), 0, kAskedBytes, POSIX_FADV_WILLNEED);
    } catch (const Error&) {
      // It is opened again, and the error told, when its turn has come: it may have been replaced.
    }
    ahead_.push_back(std::move(fd));
  }
}

void PackedFiles::check(std::size_t file, const Opened& opened) const {
  check_unchanged(opened.fd.get(), *files_.at(file).entry);
}

}  // namespace kiln::ops
