#include "builder/layer/archive_handle.h"

#include <archive.h>

#include <cerrno>

#include "proto/error.h"

namespace kiln::layer {

namespace {

constexpr std::size_t kReadBytes = 256 * 1024;

class LibarchiveSource final : public Source {
 public:
  explicit LibarchiveSource(std::unique_ptr<Source> compressed)
      : compressed_(std::move(compressed)), handle_(*compressed_) {
    archive_read_support_filter_xz(handle_.get());
    archive_read_support_filter_bzip2(handle_.get());
    archive_read_support_format_raw(handle_.get());
  }

  std::size_t read(MutableBytes buffer) override {
    if (!opened_) {
      handle_.open();
      opened_ = true;
      archive_entry* entry = nullptr;
      at_end_ = handle_.check(archive_read_next_header(handle_.get(), &entry), "uncompress") ==
                ARCHIVE_EOF;
      // libarchive takes for plain bytes what is too short to be told apart.
      if (archive_filter_count(handle_.get()) < 2)
        throw Error(Errc::corrupt, "uncompress: the stream ends in its header");
    }
    if (at_end_) return 0;
    const la_ssize_t count = archive_read_data(handle_.get(), buffer.data(), buffer.size());
    if (count < 0) handle_.check(static_cast<int>(count), "uncompress");
    at_end_ = count <= 0;
    return count > 0 ? static_cast<std::size_t>(count) : 0;
  }

 private:
  std::unique_ptr<Source> compressed_;
  ArchiveHandle handle_;
  bool opened_ = false;
  bool at_end_ = false;
};

}  // namespace

void ArchiveHandle::Free::operator()(archive* handle) const noexcept {
  archive_read_free(handle);
}

ArchiveHandle::ArchiveHandle(Source& source)
    : source_(source), buffer_(kReadBytes), archive_(archive_read_new()) {
  kiln::check(archive_ != nullptr, "libarchive has memory for a reader");
}

long ArchiveHandle::read_block(archive* handle, void* self, const void** block) {
  auto& me = *static_cast<ArchiveHandle*>(self);
  try {
    const std::size_t count = me.source_.read(me.buffer_);
    *block = me.buffer_.data();
    return static_cast<long>(count);
  } catch (...) {
    me.failure_ = std::current_exception();
    archive_set_error(handle, EIO, "the source failed");
    return ARCHIVE_FATAL;
  }
}

void ArchiveHandle::open() {
  check(archive_read_open2(
            archive_.get(), this, nullptr,
            [](archive* handle, void* self, const void** block) -> la_ssize_t {
              return read_block(handle, self, block);
            },
            nullptr, nullptr),
        "open archive");
}

int ArchiveHandle::check(int result, const char* what) {
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  if (result >= ARCHIVE_WARN && result != ARCHIVE_RETRY) return result;
  const char* why = archive_error_string(archive_.get());
  throw Error(Errc::corrupt, "{}: {}", what, why != nullptr ? why : "damaged archive");
}

std::unique_ptr<Source> make_libarchive_source(std::unique_ptr<Source> compressed) {
  return std::make_unique<LibarchiveSource>(std::move(compressed));
}

}  // namespace kiln::layer
