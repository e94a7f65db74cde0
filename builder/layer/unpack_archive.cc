#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "builder/layer/apply_layer.h"
#include "builder/layer/compress.h"
#include "builder/layer/extract.h"
#include "builder/layer/read_ahead.h"
#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::layer {

namespace {

constexpr std::size_t kHeaderBytes = kArchiveHeadBytes;
constexpr std::size_t kSumOffset = 148;
constexpr std::size_t kSumBytes = 8;

using Header = std::array<std::byte, kHeaderBytes>;

// The number in the check sum field: octal digits, spaces in front, NUL or space behind.
long stored_sum(const Header& header) {
  long sum = 0;
  bool digits = false;
  for (std::size_t i = kSumOffset; i < kSumOffset + kSumBytes; ++i) {
    const char c = static_cast<char>(header[i]);
    if (c >= '0' && c <= '7') {
      sum = sum * 8 + (c - '0');
      digits = true;
    } else if (digits) {
      break;
    } else if (c != ' ') {
      return -1;
    }
  }
  return digits ? sum : -1;
}

// source: POSIX.1-2017 pax, "ustar Interchange Format": the sum of all bytes with the field itself
// as spaces; some old programs summed signed bytes.
bool is_tar_header(const Header& header) {
  long sum = 0;
  long signed_sum = 0;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const bool in_field = i >= kSumOffset && i < kSumOffset + kSumBytes;
    sum += in_field ? ' ' : std::to_integer<unsigned char>(header[i]);
    signed_sum += in_field ? ' ' : static_cast<signed char>(header[i]);
  }
  const long stored = stored_sum(header);
  return stored == sum || stored == signed_sum;
}

// Reads a descriptor that stays the caller's.
class BorrowedSource final : public Source {
 public:
  explicit BorrowedSource(int fd) : fd_(fd) {}
  std::size_t read(MutableBytes buffer) override {
    while (true) {
      const ssize_t count = ::pread(fd_, buffer.data(), buffer.size(), static_cast<off_t>(offset_));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw system_error(errno, "read the beginning of a file");
      offset_ += static_cast<std::size_t>(count);
      return static_cast<std::size_t>(count);
    }
  }

 private:
  int fd_;
  std::size_t offset_ = 0;
};

}  // namespace

bool is_archive(int fd) {
  if (::lseek(fd, 0, SEEK_SET) < 0) throw system_error(errno, "rewind a file");
  Header header{};
  std::size_t size = 0;
  try {
    const auto source = make_decompressor(std::make_unique<BorrowedSource>(fd), true);
    while (size < header.size()) {
      const std::size_t count = source->read(MutableBytes(header).subspan(size));
      if (count == 0) return false;
      size += count;
    }
  } catch (const Error& error) {
    // Begins like a compressed file but is none: an ordinary file that is copied as it is.
    if (error.code() == Errc::corrupt) return false;
    throw;
  }
  return is_tar_header(header);
}

bool begins_archive(Bytes head) {
  if (is_compressed(as_text(head))) return true;
  Header header{};
  if (head.size() < header.size()) return false;
  std::ranges::copy(head.first(header.size()), header.begin());
  // An archive without members begins with its end, a block of zeros.
  return is_tar_header(header) || header == Header{};
}

void unpack_archive(std::unique_ptr<Source> archive,
                    const os::Dir& target,
                    const UnpackOptions& options,
                    std::stop_token stop) {
  const std::unique_ptr<Source> tar = make_decompressor(std::move(archive), true);
  ReadAhead ahead(*tar);
  TarReader reader(ahead);
  TreeWriter tree(target, Purpose::root);
  extract(reader, tree,
          {.whiteouts = false, .root = options.root, .uid = options.uid, .gid = options.gid}, stop);
  std::vector<std::byte> rest(64 * 1024);
  while (ahead.read(rest) > 0) {
    if (stop.stop_requested()) throw Error(Errc::cancelled, "unpack: cancelled");
  }
}

}  // namespace kiln::layer
