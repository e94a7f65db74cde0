#include "builder/store/file_block.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace kiln::store {

namespace {

using Hash = std::array<std::uint8_t, 32>;

constexpr std::size_t kModeAt = 1;
constexpr std::size_t kSizeAt = 5;
constexpr std::size_t kMtimeAt = 13;
constexpr std::size_t kCtimeAt = 21;
constexpr std::size_t kHashAt = 29;
static_assert(kHashAt + sizeof(Hash) == FileBlock::kFileBytes);

/// What is compared, and the hash behind it.
std::array<char, FileBlock::kFileBytes> encode(const FileIdentity& file) {
  std::array<char, FileBlock::kFileBytes> bytes{};
  bytes[0] = static_cast<char>(file.inode % 64);
  std::memcpy(bytes.data() + kModeAt, &file.mode, sizeof file.mode);
  std::memcpy(bytes.data() + kSizeAt, &file.size_bytes, sizeof file.size_bytes);
  std::memcpy(bytes.data() + kMtimeAt, &file.mtime_ns, sizeof file.mtime_ns);
  std::memcpy(bytes.data() + kCtimeAt, &file.ctime_ns, sizeof file.ctime_ns);
  return bytes;
}

Hash to_hash(const Digest& digest) {
  Hash hash{};
  const std::string_view hex = digest.hex();
  for (std::size_t i = 0; i < hash.size(); ++i)
    std::from_chars(hex.data() + 2 * i, hex.data() + 2 * i + 2, hash[i], 16);
  return hash;
}

}  // namespace

FileBlock::FileBlock(std::string_view bytes) {
  if (bytes.size() % kFileBytes == 0) bytes_ = bytes;
}

std::pair<std::size_t, bool> FileBlock::look_up(std::uint64_t inode) const {
  const std::uint64_t wanted = inode % 64;
  const auto number_at = [this](std::size_t index) {
    return static_cast<std::uint8_t>(bytes_[index * kFileBytes]);
  };
  // Not more than `wanted` can lie before it, and mostly so many do.
  std::size_t index = std::min(wanted, bytes_.size() / kFileBytes);
  while (index > 0 && number_at(index - 1) >= wanted)
    --index;
  const std::size_t at = index * kFileBytes;
  return {at, at < bytes_.size() && number_at(index) == wanted};
}

std::optional<Digest> FileBlock::find(const FileIdentity& file) const {
  const auto [at, is_there] = look_up(file.inode);
  if (!is_there || std::memcmp(bytes_.data() + at, encode(file).data(), kHashAt) != 0)
    return std::nullopt;
  Hash hash;
  std::memcpy(hash.data(), bytes_.data() + at + kHashAt, hash.size());
  return Digest::from_hash(hash);
}

void FileBlock::put(const FileIdentity& file, const Digest& digest) {
  std::array<char, kFileBytes> entry = encode(file);
  const Hash hash = to_hash(digest);
  std::memcpy(entry.data() + kHashAt, hash.data(), hash.size());
  const auto [at, is_there] = look_up(file.inode);
  bytes_.replace(at, is_there ? kFileBytes : 0, entry.data(), entry.size());
}

Bytes FileBlock::bytes() const {
  return as_bytes(bytes_);
}

}  // namespace kiln::store
