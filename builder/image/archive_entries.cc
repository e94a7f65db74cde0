#include "builder/image/archive_entries.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "builder/os/dir.h"
#include "proto/error.h"

namespace kiln::image {

namespace {

// ARCHIVE_ERRNO_FILE_FORMAT, which libarchive reports but does not export.
constexpr int kUnknownFormat = EILSEQ;
constexpr std::size_t kMaxNameBytes = 1024;
// tar pads to 10 KiB, GNU tar with --record-size to what it is told; more is not padding.
constexpr std::uint64_t kMaxPaddingBytes = 16U * 1024 * 1024;

std::string text(const char* value) {
  return value != nullptr ? value : "";
}

}  // namespace

void ArchiveEntries::Free::operator()(archive_entry* entry) const noexcept {
  archive_entry_free(entry);
}

ArchiveEntries::ArchiveEntries(std::unique_ptr<Source> tar)
    : tar_(std::move(tar)), handle_(*tar_), raw_(archive_entry_new()) {
  check(raw_ != nullptr, "libarchive has memory for an entry");
  archive_read_support_format_tar(handle_.get());
  archive_read_support_format_empty(handle_.get());
}

bool ArchiveEntries::next(ArchiveEntry& entry) {
  try {
    if (!std::exchange(opened_, true)) handle_.open();
    const int result =
        handle_.check(archive_read_next_header2(handle_.get(), raw_.get()), "image archive");
    if (result == ARCHIVE_EOF) return false;
  } catch (const Error& error) {
    if (seen_entry_ || archive_errno(handle_.get()) != kUnknownFormat) throw;
    throw Error(Errc::invalid_input, "not an image archive: {}", error.what());
  }
  seen_entry_ = true;
  const char* hard_link = archive_entry_hardlink(raw_.get());
  entry.name = text(archive_entry_pathname(raw_.get()));
  entry.size_bytes = static_cast<std::uint64_t>(archive_entry_size(raw_.get()));
  entry.is_hard_link = hard_link != nullptr;
  entry.is_file = !entry.is_hard_link && archive_entry_filetype(raw_.get()) == S_IFREG;
  entry.link_target = text(hard_link != nullptr ? hard_link : archive_entry_symlink(raw_.get()));
  return true;
}

void ArchiveEntries::copy_content(const ArchiveEntry& entry,
                                  Sink& sink,
                                  const std::stop_token& stop) {
  const std::string what = "image archive: " + entry.name;
  std::uint64_t done = 0;
  while (true) {
    if (stop.stop_requested()) throw Error(Errc::cancelled, "read an image archive: cancelled");
    const void* data = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int result =
        handle_.check(archive_read_data_block(handle_.get(), &data, &size, &offset), what.c_str());
    if (result == ARCHIVE_EOF) break;
    if (!std::cmp_equal(offset, done)) throw Error(Errc::corrupt, "{}: a sparse file", what);
    sink.write(Bytes(static_cast<const std::byte*>(data), size));
    done += size;
  }
  if (done != entry.size_bytes)
    throw Error(Errc::corrupt, "{}: {} bytes instead of {}", what, done, entry.size_bytes);
}

void ArchiveEntries::drain(const std::stop_token& stop) {
  std::vector<std::byte> buffer(std::size_t{64} * 1024);
  for (std::uint64_t total = 0; total < kMaxPaddingBytes;) {
    if (stop.stop_requested()) throw Error(Errc::cancelled, "read an image archive: cancelled");
    const std::size_t count = tar_->read(buffer);
    if (count == 0) return;
    total += count;
  }
}

std::optional<std::string> archive_path(std::string_view base, std::string_view name) {
  if (name.size() > kMaxNameBytes) return std::nullopt;
  std::vector<std::string> parts;
  if (!name.starts_with('/')) parts = os::split_path(base);
  for (std::string& part : os::split_path(name)) {
    if (part != "..") {
      parts.push_back(std::move(part));
    } else if (parts.empty()) {
      return std::nullopt;
    } else {
      parts.pop_back();
    }
  }
  std::string path;
  for (const std::string& part : parts) {
    if (!path.empty()) path += '/';
    path += part;
  }
  return path;
}

}  // namespace kiln::image
