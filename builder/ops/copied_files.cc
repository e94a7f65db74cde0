#include "builder/ops/copied_files.h"

#include <cstring>

namespace kiln::ops {

namespace {

constexpr char kVersion = 1;
constexpr std::size_t kLengthBytes = 4;

}  // namespace

std::string encode(const CopiedFiles& files) {
  std::string out(1, kVersion);
  for (const auto& [path, state] : files) {
    for (std::size_t i = 0; i < kLengthBytes; ++i)
      out += static_cast<char>(path.size() >> (8 * i));
    out += path;
    out.append(reinterpret_cast<const char*>(state.data()), state.size());
  }
  return out;
}

std::optional<CopiedFiles> decode_copied_files(std::string_view bytes) {
  if (bytes.empty() || bytes.front() != kVersion) return std::nullopt;
  bytes.remove_prefix(1);
  CopiedFiles files;
  while (!bytes.empty()) {
    if (bytes.size() < kLengthBytes) return std::nullopt;
    std::size_t length = 0;
    for (std::size_t i = 0; i < kLengthBytes; ++i)
      length |= static_cast<std::size_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
    bytes.remove_prefix(kLengthBytes);
    FileState state{};
    if (bytes.size() < length + state.size()) return std::nullopt;
    std::memcpy(state.data(), bytes.data() + length, state.size());
    files.emplace(bytes.substr(0, length), state);
    bytes.remove_prefix(length + state.size());
  }
  return files;
}

bool CopyJournal::keeps(const std::string& path, const FileState& state) {
  if (!is_on_earlier_) {
    noted_[path] = state;
    ++made_;
    return false;
  }
  // A path that is named twice is the earlier result's only as long as nothing was put there.
  const auto known = earlier_.find(path);
  const bool same = known != earlier_.end() && known->second == state && state != FileState{};
  if (known != earlier_.end()) earlier_.erase(known);
  ++(same ? kept_ : made_);
  return same;
}

void CopyJournal::make_anew_next_time(const std::string& path) {
  if (const auto known = noted_.find(path); known != noted_.end()) known->second = FileState{};
}

}  // namespace kiln::ops
