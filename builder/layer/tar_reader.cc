#include "builder/layer/tar_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "proto/error.h"

namespace kiln::layer {

namespace {

bool is_zero(Bytes bytes) {
  return bytes.empty() || (bytes.front() == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

void write_at(int fd, Bytes bytes, std::uint64_t offset, const std::string& name) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0) {
      if (errno == EINTR) continue;
      throw system_error(errno, "write " + name);
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
}

}  // namespace

void TarReader::Free::operator()(archive_entry* entry) const noexcept {
  archive_entry_free(entry);
}

TarReader::TarReader(Source& source) : handle_(source), raw_(archive_entry_new()) {
  kiln::check(raw_ != nullptr, "libarchive has memory for an entry");
  archive_read_support_format_tar(handle_.get());
  archive_read_support_format_empty(handle_.get());
}

bool TarReader::next(TarEntry& entry) {
  if (!opened_) {
    handle_.open();
    opened_ = true;
  }
  const int result = handle_.check(archive_read_next_header2(handle_.get(), raw_.get()), "tar");
  if (result == ARCHIVE_EOF) return false;
  // ARCHIVE_WARN is a name that is not UTF-8 where pax wants it to be: its bytes are kept.
  const char* name = archive_entry_pathname(raw_.get());
  if (name == nullptr) throw Error(Errc::corrupt, "tar: an entry has no name");
  entry.name = name;
  entry.type = archive_entry_filetype(raw_.get());
  entry.device = archive_entry_rdev(raw_.get());
  const char* hard_link = archive_entry_hardlink(raw_.get());
  const char* symlink = archive_entry_symlink(raw_.get());
  entry.is_hard_link = hard_link != nullptr;
  entry.link_target = hard_link != nullptr ? hard_link : symlink != nullptr ? symlink : "";
  read_attributes(entry);
  return true;
}

void TarReader::read_attributes(TarEntry& entry) const {
  Attributes& attributes = entry.attributes;
  attributes.mode = archive_entry_mode(raw_.get()) & 07777;
  attributes.uid = static_cast<std::uint32_t>(archive_entry_uid(raw_.get()));
  attributes.gid = static_cast<std::uint32_t>(archive_entry_gid(raw_.get()));
  attributes.mtime = archive_entry_mtime(raw_.get());
  attributes.mtime_ns = archive_entry_mtime_nsec(raw_.get());
  attributes.xattrs.clear();
  archive_entry_xattr_reset(raw_.get());
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  while (archive_entry_xattr_next(raw_.get(), &name, &value, &size) == ARCHIVE_OK) {
    attributes.xattrs.push_back({name, std::string(static_cast<const char*>(value), size)});
  }
}

std::uint64_t TarReader::copy_content(int fd,
                                      const std::string& name,
                                      const std::stop_token& stop) {
  std::uint64_t end = 0;
  bool hole_at_end = false;
  while (true) {
    if (stop.stop_requested()) throw Error(Errc::cancelled, "unpack: cancelled");
    const void* data = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int result =
        handle_.check(archive_read_data_block(handle_.get(), &data, &size, &offset), name.c_str());
    if (offset < 0) throw Error(Errc::corrupt, "{}: data before its beginning", name);
    const auto start = static_cast<std::uint64_t>(offset);
    if (result == ARCHIVE_EOF) {
      // Of a sparse file that ends in a hole, the end comes with the last offset.
      hole_at_end = hole_at_end || start > end;
      end = std::max(end, start);
      break;
    }
    const Bytes bytes(static_cast<const std::byte*>(data), size);
    hole_at_end = is_zero(bytes);
    if (!hole_at_end) write_at(fd, bytes, start, name);
    end = std::max(end, start + size);
  }
  if (hole_at_end && ::ftruncate(fd, static_cast<off_t>(end)) != 0)
    throw system_error(errno, "extend " + name);
  return end;
}

}  // namespace kiln::layer
