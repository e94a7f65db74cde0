// The table of file digests: asked for whole contexts at once, on the way of every cached build.
#include <algorithm>
#include <span>

#include "builder/store/database.h"
#include "builder/store/file_block.h"
#include "builder/store/query.h"

namespace kiln::store {

namespace {

/// A file in the caller's list.
struct Key {
  FilePlace place;
  std::uint64_t inode = 0;
  std::size_t index = 0;
  friend auto operator<=>(const Key&, const Key&) = default;
};

/// All files of a block follow each other, in the order of the table.
template <class Rows, class File>
std::vector<Key> sorted_keys(const Rows& rows, const File& file_of) {
  std::vector<Key> keys;
  keys.reserve(rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const FileIdentity& file = file_of(rows[i]);
    keys.push_back({place_of(file), file.inode, i});
  }
  if (!std::ranges::is_sorted(keys)) std::ranges::sort(keys);
  return keys;
}

/// Calls `use` for the keys of each block.
template <class Use>
void for_each_block(const std::vector<Key>& keys, const Use& use) {
  for (auto begin = keys.begin(); begin != keys.end();) {
    const auto other = [&](const Key& key) { return key.place != begin->place; };
    const auto end = std::find_if(begin, keys.end(), other);
    use(begin->place, std::span(begin, end));
    begin = end;
  }
}

FileBlock read_block(Connection& connection, const FilePlace& place) {
  Query query(connection.prepared("SELECT files FROM file_blocks WHERE device = ? AND block = ?"));
  query.bind(place.device, place.block);
  return FileBlock(query.step() ? query.bytes(0) : std::string_view());
}

}  // namespace

std::vector<std::optional<Digest>> Tables::file_digests(const std::vector<FileIdentity>& files) {
  std::vector<std::optional<Digest>> digests(files.size());
  const auto keys =
      sorted_keys(files, [](const FileIdentity& file) -> const FileIdentity& { return file; });
  for_each_block(keys, [&](const FilePlace& place, std::span<const Key> of_block) {
    const FileBlock block = read_block(*connection_, place);
    for (const Key& key : of_block)
      digests[key.index] = block.find(files[key.index]);
  });
  return digests;
}

void Tables::put_file_digests(const std::vector<FileDigestRow>& rows) {
  const auto keys =
      sorted_keys(rows, [](const FileDigestRow& row) -> const FileIdentity& { return row.file; });
  for_each_block(keys, [&](const FilePlace& place, std::span<const Key> of_block) {
    FileBlock block = read_block(*connection_, place);
    for (const Key& key : of_block)
      block.put(rows[key.index].file, rows[key.index].digest);
    Query query(
        connection_->prepared("INSERT INTO file_blocks (device, block, files) VALUES (?, ?, ?) "
                              "ON CONFLICT (device, block) DO UPDATE SET files = excluded.files"));
    query.bind(place.device, place.block, block.bytes());
    query.run();
  });
}

std::uint64_t Tables::count_file_digests() {
  Query query(connection_->prepared("SELECT ifnull(sum(length(files)), 0) FROM file_blocks"));
  return query.step() ? query.size(0) / FileBlock::kFileBytes : 0;
}

void Tables::clear_file_digests() {
  Query(connection_->prepared("DELETE FROM file_blocks")).run();
}

}  // namespace kiln::store
