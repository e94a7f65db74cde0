#include "builder/ops/packed_files.h"

#include <utility>

#include "builder/ops/xattrs.h"

namespace kiln::ops {

namespace {

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

layer::OutsideFiles::Opened PackedFiles::open(std::size_t file) const {
  const File& one = files_.at(file);
  Opened opened{open_entry(*one.tree, *one.entry), one.attributes,
                static_cast<std::uint64_t>(one.entry->status.st_size)};
  for (Xattr& xattr : read_xattrs(opened.fd.get()))
    opened.attributes.xattrs.push_back({std::move(xattr.name), std::move(xattr.value)});
  return opened;
}

void PackedFiles::check(std::size_t file, const Opened& opened) const {
  check_unchanged(opened.fd.get(), *files_.at(file).entry);
}

}  // namespace kiln::ops
