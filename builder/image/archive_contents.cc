#include "builder/image/archive_contents.h"

#include <fcntl.h>

#include <utility>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::image {

namespace {

// Far over the largest `docker save`; each entry costs memory for its name, and a file.
constexpr std::size_t kMaxEntries = 100'000;
// As the kernel has it for a path (path_resolution(7)).
constexpr int kMaxLinks = 40;
constexpr std::string_view kBlobDirectory = "blobs/sha256/";

std::string_view directory_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

/// The digest that a file in an OCI layout says it has.
std::optional<Digest> digest_in_name(std::string_view path) {
  if (!path.starts_with(kBlobDirectory)) return std::nullopt;
  try {
    return Digest::parse(fmt::format("sha256:{}", path.substr(kBlobDirectory.size())));
  } catch (const Error&) {
    return std::nullopt;  // some other file there: then it is named by nobody
  }
}

}  // namespace

void ArchiveContents::take(ArchiveEntries& entries, const std::stop_token& stop) {
  ArchiveEntry entry;
  for (std::size_t count = 0; entries.next(entry); ++count) {
    if (stop.stop_requested()) throw Error(Errc::cancelled, "read an image archive: cancelled");
    if (count >= kMaxEntries)
      throw Error(Errc::invalid_input, "image archive: more than {} entries", kMaxEntries);
    // What leads out of the archive cannot be meant by any name in it.
    const std::optional<std::string> path = archive_path("", entry.name);
    if (!path || path->empty()) continue;
    files_.erase(*path);  // as in tar, the last entry of a name counts
    links_.erase(*path);
    if (entry.is_file) {
      take_file(entries, entry, *path, stop);
    } else if (!entry.link_target.empty()) {
      const std::string_view base = entry.is_hard_link ? std::string_view() : directory_of(*path);
      if (auto target = archive_path(base, entry.link_target)) {
        links_.insert_or_assign(*path, *std::move(target));
      }
    }
  }
  entries.drain(stop);
}

void ArchiveContents::take_file(ArchiveEntries& entries,
                                const ArchiveEntry& entry,
                                const std::string& path,
                                const std::stop_token& stop) {
  if (const auto named = digest_in_name(path); named && size_in_store(*named) == entry.size_bytes) {
    files_.insert_or_assign(path, *named);
    return;
  }
  store::BlobWriter blob = blobs_.writer();
  HashingSink hashed(blob);
  entries.copy_content(entry, hashed, stop);
  hashed.finish();
  Digest digest = hashed.digest();
  pending_.try_emplace(digest, std::move(blob));
  files_.insert_or_assign(path, std::move(digest));
}

oci::Descriptor ArchiveContents::add_document(std::string_view media_type, std::string_view text) {
  Digest digest = sha256(text);
  if (!pending_.contains(digest)) {
    store::BlobWriter blob = blobs_.writer();
    blob.write(as_bytes(text));
    blob.finish();
    pending_.try_emplace(digest, std::move(blob));
  }
  return {std::string(media_type), std::move(digest), text.size(), {}, {}};
}

std::optional<Digest> ArchiveContents::find(std::string_view name) const {
  std::optional<std::string> path = archive_path("", name);
  for (int hops = 0; path && hops <= kMaxLinks; ++hops) {
    if (const auto file = files_.find(*path); file != files_.end()) return file->second;
    const auto link = links_.find(*path);
    if (link == links_.end()) return std::nullopt;
    path = link->second;
  }
  if (!path) return std::nullopt;
  throw Error(Errc::corrupt, "image archive: {}: a loop of links", name);
}

std::optional<std::uint64_t> ArchiveContents::size_in_store(const Digest& digest) const {
  if (lease_ != nullptr) lease_->add(digest);  // first: what is found then stays
  return blobs_.size(digest);
}

std::optional<std::uint64_t> ArchiveContents::size(const Digest& digest) const {
  const auto found = pending_.find(digest);
  return found != pending_.end() ? found->second.size_bytes() : size_in_store(digest);
}

void ArchiveContents::require(const oci::Descriptor& descriptor) const {
  const Digest& digest = descriptor.digest;
  const std::optional<std::uint64_t> found = size(digest);
  if (found == descriptor.size_bytes) return;
  if (found) {
    throw Error(Errc::corrupt, "image archive: blob {}: {} bytes instead of {}", digest.str(),
                *found, descriptor.size_bytes);
  }
  const std::string name = fmt::format("{}{}", kBlobDirectory, digest.hex());
  const auto file = files_.find(name);
  if (file == files_.end())
    throw Error(Errc::corrupt, "image archive: blob {}: missing", digest.str());
  throw Error(Errc::corrupt, "image archive: {}: damaged: its content has the digest {}", name,
              file->second.str());
}

std::string ArchiveContents::document(const Digest& digest) const {
  const auto found = pending_.find(digest);
  const std::uint64_t bytes =
      found != pending_.end() ? found->second.size_bytes() : blobs_.size(digest).value_or(0);
  if (bytes > oci::kMaxDocumentBytes) {
    throw Error(Errc::corrupt, "image archive: document {}: {} bytes, over the limit of {}",
                digest.str(), bytes, oci::kMaxDocumentBytes);
  }
  return found != pending_.end() ? os::read_file(found->second.path(), oci::kMaxDocumentBytes)
                                 : blobs_.read(digest, oci::kMaxDocumentBytes);
}

std::unique_ptr<Source> ArchiveContents::open(const Digest& digest) const {
  const auto found = pending_.find(digest);
  if (found == pending_.end()) return blobs_.open(digest);
  const std::string path = found->second.path().string();
  return std::make_unique<os::FileSource>(os::open_file(path, O_RDONLY), path);
}

void ArchiveContents::publish(const std::set<Digest>& needed) {
  for (const Digest& digest : needed) {
    if (lease_ != nullptr) lease_->add(digest);
    if (auto blob = pending_.extract(digest)) blobs_.commit(std::move(blob.mapped()), digest);
    check(blobs_.has(digest), "a published image is complete");
  }
}

}  // namespace kiln::image
