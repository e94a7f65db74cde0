#include "builder/store/file_lists.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "builder/os/dir.h"
#include "builder/os/file.h"
#include "builder/store/disk_size.h"

namespace kiln::store {

namespace fs = std::filesystem;

namespace {

constexpr int kLevel = 1;
/// A million files with long names; more is not a list of ours.
constexpr std::uint64_t kMaxBytes = 512ULL * 1024 * 1024;

fs::path directory_of(const Store& store) {
  return store.root() / "file-lists";
}

bool is_name(std::string_view name) {
  return name.size() == 64 && name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::string to_text(const std::vector<ListedFile>& files) {
  std::string text;
  for (const ListedFile& file : files) {
    text += file.path;
    text += '\0';
    fmt::format_to(std::back_inserter(text), "{:o} {} {}", file.mode,
                   file.owner.empty() ? "-" : file.owner, file.content);
    text += '\0';
  }
  return text;
}

/// Takes what stands before `end`; false when there is no such byte.
bool take(std::string_view& text, char end, std::string_view& field) {
  const std::size_t size = text.find(end);
  if (size == std::string_view::npos) return false;
  field = text.substr(0, size);
  text.remove_prefix(size + 1);
  return true;
}

std::optional<std::vector<ListedFile>> parse(std::string_view text) {
  std::vector<ListedFile> files;
  while (!text.empty()) {
    std::string_view path;
    std::string_view rest;
    std::string_view mode;
    std::string_view owner;
    if (!take(text, '\0', path) || !take(text, '\0', rest) || !take(rest, ' ', mode) ||
        !take(rest, ' ', owner))
      return std::nullopt;
    ListedFile file{std::string(path), 0, owner == "-" ? "" : std::string(owner),
                    std::string(rest)};
    const auto [end, error] = std::from_chars(mode.data(), mode.data() + mode.size(), file.mode, 8);
    if (error != std::errc() || end != mode.data() + mode.size()) return std::nullopt;
    files.push_back(std::move(file));
  }
  return files;
}

std::string compress(const std::string& text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  const std::size_t size =
      ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), kLevel);
  check(ZSTD_isError(size) == 0, "a buffer of the bound's size is enough");
  packed.resize(size);
  return packed;
}

std::optional<std::string> decompress(const std::string& packed) {
  const unsigned long long size = ZSTD_getFrameContentSize(packed.data(), packed.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > kMaxBytes)
    return std::nullopt;
  std::string text(size, '\0');
  const std::size_t got = ZSTD_decompress(text.data(), text.size(), packed.data(), packed.size());
  if (ZSTD_isError(got) != 0 || got != size) return std::nullopt;
  return text;
}

}  // namespace

std::string keep_file_list(Store& store, std::vector<ListedFile> files) {
  std::ranges::sort(files, {}, &ListedFile::path);
  const auto repeated = std::ranges::unique(files, {}, &ListedFile::path);
  files.erase(repeated.begin(), repeated.end());
  const std::string text = to_text(files);
  std::string name(sha256(text).hex());
  const fs::path directory = directory_of(store);
  const fs::path target = directory / name;
  if (::access(target.c_str(), F_OK) == 0) return name;
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    throw system_error(errno, "make directory " + directory.string());
  const os::TempDir scratch = store.make_temp("files");
  const fs::path made = scratch.path() / "list";
  const std::string packed = compress(text);
  {
    const os::Fd fd = os::open_file(made, O_WRONLY | O_CREAT | O_EXCL, 0600);
    os::write_all(fd.get(), as_bytes(packed), made.native());
  }
  if (::rename(made.c_str(), target.c_str()) != 0)
    throw system_error(errno, "name the file list " + target.string());
  return name;
}

std::optional<std::vector<ListedFile>> read_file_list(const Store& store, std::string_view name) {
  if (!is_name(name)) return std::nullopt;
  const fs::path path = directory_of(store) / name;
  const os::Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return std::nullopt;
  if (!fd) throw system_error(errno, "open " + path.string());
  const auto text = decompress(os::read_all(fd.get(), path.native(), kMaxBytes));
  if (!text || sha256(*text).hex() != name) return std::nullopt;
  return parse(*text);
}

std::uint64_t sweep_file_lists(Store& store) {
  const fs::path directory = directory_of(store);
  if (::access(directory.c_str(), F_OK) != 0) return 0;
  std::vector<os::DirEntry> unused = os::Dir::open(directory).entries();
  store.database().run_blocking([&](Tables& tables) {
    std::erase_if(unused, [&tables](const os::DirEntry& entry) {
      return tables.is_file_list_used(entry.name);
    });
  });
  std::uint64_t freed = 0;
  for (const os::DirEntry& entry : unused) {
    const std::uint64_t bytes = disk_bytes(directory / entry.name);
    os::remove_tree(directory / entry.name);
    freed += bytes;
  }
  return freed;
}

}  // namespace kiln::store
