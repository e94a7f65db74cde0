#include "builder/layer/tar_writer.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include <cerrno>
#include <clocale>
#include <utility>

#include "proto/error.h"

namespace kiln::layer {

namespace {

// libarchive asks the thread's locale what charset names have. With UTF-8 they go into pax headers
// as they are; what is not UTF-8 is kept as bytes and marked hdrcharset=BINARY.
class Utf8Names {
 public:
  Utf8Names() : previous_(::uselocale(utf8())) {}
  Utf8Names(const Utf8Names&) = delete;
  Utf8Names& operator=(const Utf8Names&) = delete;
  ~Utf8Names() { ::uselocale(previous_); }

 private:
  static locale_t utf8() {
    static const locale_t kLocale = [] {
      locale_t made = ::newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr);
      if (made == nullptr) {
        throw system_error(errno, "the locale C.UTF-8 (Debian: package libc-bin) is missing");
      }
      return made;
    }();
    return kLocale;
  }

  locale_t previous_;
};

}  // namespace

void TarWriter::FreeArchive::operator()(archive* handle) const noexcept {
  archive_write_free(handle);
}

void TarWriter::FreeEntry::operator()(archive_entry* entry) const noexcept {
  archive_entry_free(entry);
}

TarWriter::TarWriter(Sink& sink, TarTimes times)
    : sink_(sink), times_(times), entry_(archive_entry_new()), archive_(archive_write_new()) {
  kiln::check(entry_ && archive_, "libarchive has memory for a writer");
  // pax_restricted: a pax header only for entries that need one.
  check(times_ == TarTimes::seconds ? archive_write_set_format_pax_restricted(archive_.get())
                                    : archive_write_set_format_pax(archive_.get()),
        "pax");
  check(archive_write_set_options(archive_.get(), "xattrheader=SCHILY"), "pax");
  // Unblocked: no copy through libarchive's buffer, and no padding after the end.
  check(archive_write_set_bytes_per_block(archive_.get(), 0), "pax");
  check(archive_write_open(
            archive_.get(), this, nullptr,
            [](archive* handle, void* self, const void* bytes, std::size_t size) -> la_ssize_t {
              return pass_on(handle, self, bytes, size);
            },
            nullptr),
        "pax");
}

TarWriter::~TarWriter() {
  // Freeing closes; of an unfinished archive nothing more reaches the sink.
  abandoned_ = true;
}

long TarWriter::pass_on(archive* handle, void* self, const void* bytes, std::size_t size) {
  auto& me = *static_cast<TarWriter*>(self);
  if (me.abandoned_) {
    archive_set_error(handle, EIO, "the archive was given up");
    return -1;
  }
  try {
    if (!me.failure_) me.sink_.write(Bytes(static_cast<const std::byte*>(bytes), size));
  } catch (...) {
    // Told to the caller by check(), not to libarchive: after a fatal error it leaks its state.
    me.failure_ = std::current_exception();
  }
  me.count_bytes_ += size;
  return static_cast<long>(size);
}

void TarWriter::check(long result, const std::string& path) {
  if (failure_) std::rethrow_exception(failure_);
  // ARCHIVE_WARN is a name that is not UTF-8, kept as bytes.
  if (result >= ARCHIVE_WARN) return;
  const char* why = archive_error_string(archive_.get());
  throw Error(Errc::invalid_input, "write {} into a layer: {}", path,
              why != nullptr ? why : "libarchive refuses it");
}

void TarWriter::header(const TarHeader& header) {
  path_ = header.path;
  archive_entry* entry = archive_entry_clear(entry_.get());
  archive_entry_set_pathname(entry, header.path.c_str());
  archive_entry_set_mode(entry, header.type | header.attributes.mode);
  archive_entry_set_uid(entry, header.attributes.uid);
  archive_entry_set_gid(entry, header.attributes.gid);
  archive_entry_set_mtime(entry, header.attributes.mtime,
                          times_ == TarTimes::nanoseconds ? header.attributes.mtime_ns : 0);
  archive_entry_set_size(entry, static_cast<la_int64_t>(header.size_bytes));
  if (!header.hard_link.empty()) archive_entry_set_hardlink(entry, header.hard_link.c_str());
  if (header.type == S_IFLNK) archive_entry_set_symlink(entry, header.link_target.c_str());
  if (header.type == S_IFCHR || header.type == S_IFBLK)
    archive_entry_set_rdev(entry, header.device);
  for (const Xattr& xattr : header.attributes.xattrs) {
    archive_entry_xattr_add_entry(entry, xattr.name.c_str(), xattr.value.data(),
                                  xattr.value.size());
  }
  const Utf8Names names;
  check(archive_write_header(archive_.get(), entry), path_);
}

void TarWriter::content(Bytes bytes) {
  const la_ssize_t written = archive_write_data(archive_.get(), bytes.data(), bytes.size());
  check(written, path_);
  kiln::check(std::cmp_equal(written, bytes.size()), "content fits the size in its tar header");
}

void TarWriter::close() {
  check(archive_write_close(archive_.get()), path_);
}

}  // namespace kiln::layer
