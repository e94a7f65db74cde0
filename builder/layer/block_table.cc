#include "builder/layer/block_table.h"

#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <isa-l/crc64.h>

namespace kiln::layer {

namespace {

constexpr char kVersion = 2;
constexpr std::size_t kHeadBytes = 1 + sizeof(BlockKey);
constexpr std::size_t kPlaceBytes = sizeof(BlockHash) + 8 + 4 + 8;

template <class Array>
void put_bytes(std::string& out, const Array& bytes) {
  out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

template <class Array>
Array take_bytes(std::string_view& in) {
  Array bytes{};
  std::memcpy(bytes.data(), in.data(), bytes.size());
  in.remove_prefix(bytes.size());
  return bytes;
}

std::uint64_t check_of(Bytes bytes) {
  return crc64_ecma_refl(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

template <class Number>
void put(std::string& out, Number number) {
  for (std::size_t i = 0; i < sizeof(number); ++i)
    out += static_cast<char>(number >> (8 * i));
}

template <class Number>
Number take(std::string_view& in) {
  Number number = 0;
  for (std::size_t i = 0; i < sizeof(number); ++i)
    number |= static_cast<Number>(static_cast<unsigned char>(in[i])) << (8 * i);
  in.remove_prefix(sizeof(number));
  return number;
}

/// Reads exactly `out.size()` bytes; false when the file has fewer or does not give them.
bool read_at(int fd, MutableBytes out, std::uint64_t offset) {
  while (!out.empty()) {
    const ssize_t count = ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (count <= 0) return false;
    out = out.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return true;
}

}  // namespace

void BlockTable::add(const BlockHash& hash, std::uint64_t offset, Bytes compressed) {
  places_.push_back(
      {hash, offset, static_cast<std::uint32_t>(compressed.size()), check_of(compressed)});
}

std::string BlockTable::encode() const {
  std::string out;
  out.reserve(kHeadBytes + places_.size() * kPlaceBytes);
  out += kVersion;
  put_bytes(out, key_);
  for (const BlockPlace& place : places_) {
    put_bytes(out, place.hash);
    put(out, place.offset);
    put(out, place.size);
    put(out, place.check);
  }
  return out;
}

std::optional<BlockTable> BlockTable::decode(std::string_view bytes) {
  if (bytes.size() < kHeadBytes || bytes.front() != kVersion ||
      (bytes.size() - kHeadBytes) % kPlaceBytes != 0) {
    return std::nullopt;
  }
  bytes.remove_prefix(1);
  BlockTable table(take_bytes<BlockKey>(bytes));
  table.places_.reserve(bytes.size() / kPlaceBytes);
  while (!bytes.empty()) {
    BlockPlace place;
    place.hash = take_bytes<BlockHash>(bytes);
    place.offset = take<std::uint64_t>(bytes);
    place.size = take<std::uint32_t>(bytes);
    place.check = take<std::uint64_t>(bytes);
    table.places_.push_back(place);
  }
  return table;
}

std::size_t EarlierBlob::TakeFirst::operator()(const BlockHash& hash) const noexcept {
  std::size_t first = 0;
  std::memcpy(&first, hash.data(), sizeof(first));
  return first;
}

EarlierBlob::EarlierBlob(os::Fd blob, const BlockTable& table)
    : blob_(std::move(blob)), key_(table.key()) {
  places_.reserve(table.places().size());
  for (const BlockPlace& place : table.places())
    places_.emplace(place.hash, place);
}

std::size_t EarlierBlob::read(const BlockHash& hash, MutableBytes out) const {
  const auto found = places_.find(hash);
  if (found == places_.end()) return 0;
  const BlockPlace& place = found->second;
  if (place.size > out.size()) return 0;
  const MutableBytes bytes = out.first(place.size);
  if (!read_at(blob_.get(), bytes, place.offset) || check_of(bytes) != place.check) return 0;
  return place.size;
}

}  // namespace kiln::layer
