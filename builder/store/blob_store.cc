#include "builder/store/blob_store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <mutex>
#include <system_error>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::store {

BlobWriter::BlobWriter(const std::filesystem::path& temp_directory) {
  std::string name = (temp_directory / "blob.XXXXXX").string();
  fd_ = os::Fd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd_) throw system_error(errno, "make a file in " + temp_directory.string());
  path_ = std::move(name);
}

BlobWriter::BlobWriter(BlobWriter&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      fd_(std::move(other.fd_)),
      size_bytes_(std::exchange(other.size_bytes_, 0)) {}

BlobWriter::~BlobWriter() {
  // A file that stays behind is found by the next opening of the store, which empties tmp/.
  if (!path_.empty()) ::unlink(path_.c_str());
}

void BlobWriter::write(Bytes bytes) {
  os::write_all(fd_.get(), bytes, path_.native());
  size_bytes_ += bytes.size();
}

void BlobWriter::finish() {
  if (!fd_) return;
  if (::fchmod(fd_.get(), 0644) != 0)
    throw system_error(errno, "set the mode of " + path_.string());
  fd_ = os::Fd();
}

BlobStore::BlobStore(const std::filesystem::path& root)
    : blobs_(root / "blobs" / "sha256"),
      temp_(root / "tmp"),
      commits_(std::make_shared<std::atomic<std::uint64_t>>(0)),
      found_(std::make_shared<Found>()) {
  for (const auto& directory : {blobs_, temp_}) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) throw system_error(error.value(), "make directory " + directory.string());
  }
}

BlobWriter BlobStore::writer() const {
  return BlobWriter(temp_);
}

/// What was found instead of being written, and when.
struct BlobStore::Found {
  std::mutex mutex;
  std::map<Digest, std::int64_t> times_ns;
};

void BlobStore::commit(BlobWriter writer, const Digest& digest) const {
  // One of another size is damaged (a power cut): the verified bytes take its place.
  if (find(digest, writer.size_bytes_)) return;
  writer.finish();
  const std::filesystem::path target = path(digest);
  if (::rename(writer.path_.c_str(), target.c_str()) != 0) {
    throw system_error(errno, "rename to " + target.string());
  }
  writer.path_.clear();
  ++*commits_;
}

Digest BlobStore::put(std::string_view bytes) const {
  const Digest digest = sha256(bytes);
  if (find(digest, bytes.size()) && is_sound(digest)) return digest;
  BlobWriter document = writer();
  document.write(as_bytes(bytes));
  commit(std::move(document), digest);
  return digest;
}

bool BlobStore::find(const Digest& digest, std::uint64_t size_bytes) const {
  const std::scoped_lock lock(found_->mutex);
  if (size(digest) != size_bytes) return false;
  found_->times_ns[digest] = os::now_ns();
  return true;
}

bool BlobStore::unless_found_since(std::int64_t time_ns,
                                   const Digest& digest,
                                   const std::function<void()>& action) const {
  const std::scoped_lock lock(found_->mutex);
  std::erase_if(found_->times_ns, [&](const auto& one) { return one.second < time_ns; });
  if (found_->times_ns.contains(digest)) return false;
  action();
  return true;
}

std::optional<std::uint64_t> BlobStore::size(const Digest& digest) const {
  struct stat status{};
  const std::filesystem::path file = path(digest);
  if (::lstat(file.c_str(), &status) != 0) {
    if (errno == ENOENT) return std::nullopt;
    throw system_error(errno, "stat " + file.string());
  }
  return static_cast<std::uint64_t>(status.st_size);
}

std::unique_ptr<Source> BlobStore::open(const Digest& digest) const {
  const std::filesystem::path file = path(digest);
  os::Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT) throw Error(Errc::not_found, "blob {}: not in the store", digest.str());
    throw system_error(errno, "open " + file.string());
  }
  return std::make_unique<os::FileSource>(std::move(fd), file.string());
}

bool BlobStore::is_sound(const Digest& digest) const {
  std::unique_ptr<Source> source;
  try {
    source = open(digest);  // not a look first: a collection may remove it in between
  } catch (const Error& error) {
    if (error.code() == Errc::not_found) return false;
    throw;
  }
  struct Nowhere final : Sink {
    void write(Bytes) override {}
  } nowhere;
  HashingSink hashing(nowhere);
  copy(*source, hashing);
  if (hashing.digest() == digest) return true;
  remove(digest);
  return false;
}

std::string BlobStore::read(const Digest& digest, std::size_t limit_bytes) const {
  StringSink text(limit_bytes);
  const auto source = open(digest);
  within("blob " + digest.str(), [&] { copy(*source, text); });
  if (sha256(text.text()) != digest) {
    remove(digest);
    throw Error(Errc::corrupt, "blob {}: its file was damaged and is removed", digest.str());
  }
  return text.take();
}

void BlobStore::remove(const Digest& digest) const {
  const std::filesystem::path file = path(digest);
  if (::unlink(file.c_str()) != 0 && errno != ENOENT) {
    throw system_error(errno, "remove " + file.string());
  }
}

std::filesystem::path BlobStore::path(const Digest& digest) const {
  return blobs_ / digest.hex();
}

}  // namespace kiln::store
