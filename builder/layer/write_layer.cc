#include "builder/layer/write_layer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>
#include <vector>

#include "builder/layer/tar_writer.h"
#include "builder/layer/tree_walk.h"
#include "builder/layer/whiteout.h"
#include "proto/error.h"

namespace kiln::layer {

namespace {

constexpr std::size_t kReadBytes = 1024 * 1024;

// Turns visits into tar entries.
class LayerTar {
 public:
  LayerTar(Sink& sink, const WriteOptions& options, bool whiteouts, std::stop_token stop)
      : tar_(sink, options.exact ? TarTimes::nanoseconds : TarTimes::seconds),
        options_(options),
        whiteouts_(whiteouts),
        stop_(std::move(stop)) {}

  void add(Visit& visit) {
    if (stop_.stop_requested()) throw Error(Errc::cancelled, "write layer: cancelled");
    if (visit.type() == S_IFSOCK) return;  // tar has no sockets, and nobody could use one
    if (whiteouts_) {
      if (visit.name.starts_with(kWhiteoutPrefix)) {
        throw Error(Errc::invalid_input,
                    "{}: names that begin with \".wh.\" mean deletions in a layer; rename it",
                    visit.path);
      }
      if (is_whiteout(visit.status)) {
        marker(visit.path, visit.name);
        return;
      }
    }
    if (visit.outside) {
      outside_entry(visit, *visit.outside);
      return;
    }
    std::vector<Xattr> xattrs = visit.xattrs();
    const bool opaque = whiteouts_ && check_overlay(visit.path, xattrs);
    std::erase_if(xattrs, [](const Xattr& xattr) { return !travels(xattr.name); });
    // The root itself has no entry: its owner and mode are those of the snapshot's mount point.
    const bool implied =
        visit.type() == S_IFDIR && std::ranges::binary_search(options_.implied, visit.path);
    if ((!visit.path.empty() || options_.exact) && !implied) entry(visit, std::move(xattrs));
    if (opaque) {
      const std::string prefix = visit.path.empty() ? "" : visit.path + "/";
      plain_marker(prefix + std::string(kOpaqueMarker));
    }
  }

  /// Returns the size of the whole tar.
  std::uint64_t close() {
    tar_.close();
    return tar_.count_bytes();
  }

 private:
  using Inode = std::pair<dev_t, ino_t>;
  struct Links {
    std::string first_path;
    nlink_t missing = 0;
  };

  // True for an opaque directory. What would need other snapshots to be read is refused.
  static bool check_overlay(const std::string& path, const std::vector<Xattr>& xattrs) {
    bool opaque = false;
    for (const Xattr& xattr : xattrs) {
      if (xattr.name == kOpaqueXattr) opaque = xattr.value == "y";
      if (xattr.name == "trusted.overlay.redirect" || xattr.name == "trusted.overlay.metacopy") {
        throw Error(Errc::internal, "{}: has {}; snapshots are mounted without that feature", path,
                    xattr.name);
      }
    }
    return opaque;
  }

  void marker(const std::string& path, const std::string& name) {
    plain_marker(path.substr(0, path.size() - name.size()) + std::string(kWhiteoutPrefix) + name);
  }

  // Markers have no time of their own that could be the same in another build.
  void plain_marker(std::string path) {
    TarHeader header;
    header.path = std::move(path);
    header.type = S_IFREG;
    header.attributes.mtime = options_.epoch.value_or(0);
    tar_.header(header);
  }

  void entry(Visit& visit, std::vector<Xattr> xattrs) {
    TarHeader header;
    header.path = visit.path.empty() ? "." : visit.path;
    header.type = visit.type();
    header.attributes.mode = visit.status.st_mode & 07777;
    header.attributes.uid = visit.status.st_uid;
    header.attributes.gid = visit.status.st_gid;
    header.attributes.mtime = clamped(visit.status.st_mtim.tv_sec);
    header.attributes.mtime_ns = visit.status.st_mtim.tv_nsec;
    header.attributes.xattrs = std::move(xattrs);
    header.device = visit.status.st_rdev;
    if (header.type != S_IFDIR && visit.status.st_nlink > 1) header.hard_link = earlier_link(visit);
    if (!header.hard_link.empty()) {
      tar_.header(header);
      return;
    }
    if (header.type == S_IFLNK) header.link_target = os::read_link(visit.parent_fd, visit.name);
    if (header.type == S_IFREG)
      header.size_bytes = static_cast<std::uint64_t>(visit.status.st_size);
    tar_.header(header);
    if (header.type == S_IFREG) content(visit.fd.get(), visit.path, header.size_bytes);
  }

  void outside_entry(const Visit& visit, std::size_t file) {
    OutsideFiles::Opened opened = options_.outside->open(file);
    TarHeader header;
    header.path = visit.path;
    header.type = S_IFREG;
    header.attributes = opened.attributes;
    header.attributes.mtime = clamped(opened.attributes.mtime);
    std::erase_if(header.attributes.xattrs,
                  [](const Xattr& xattr) { return !travels(xattr.name); });
    header.size_bytes = opened.size_bytes;
    tar_.header(header);
    content(opened.fd.get(), visit.path, header.size_bytes);
    options_.outside->check(file, opened);
  }

  [[nodiscard]] std::int64_t clamped(std::int64_t mtime) const {
    return std::min(mtime, options_.epoch.value_or(mtime));
  }

  // The path of the same inode met before; "" for the first. Forgotten with its last link.
  std::string earlier_link(const Visit& visit) {
    const Inode inode{visit.status.st_dev, visit.status.st_ino};
    const auto [found, first] =
        links_.try_emplace(inode, Links{visit.path, visit.status.st_nlink - 1});
    if (first) return {};
    std::string path = found->second.first_path;
    if (--found->second.missing == 0) links_.erase(found);
    return path;
  }

  void content(int fd, const std::string& path, std::uint64_t size_bytes) {
    for (std::uint64_t rest = size_bytes; rest > 0;) {
      if (stop_.stop_requested()) throw Error(Errc::cancelled, "write layer: cancelled");
      const std::size_t wanted = std::min<std::uint64_t>(rest, buffer_.size());
      const ssize_t count = ::read(fd, buffer_.data(), wanted);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw system_error(errno, "read " + path);
      if (count == 0) {
        throw Error(Errc::unavailable, "read {}: it became shorter while it was being read", path);
      }
      tar_.content(Bytes(buffer_).first(static_cast<std::size_t>(count)));
      rest -= static_cast<std::uint64_t>(count);
    }
  }

  TarWriter tar_;
  const WriteOptions& options_;
  bool whiteouts_;
  std::stop_token stop_;
  std::map<Inode, Links> links_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(kReadBytes);
};

/// Returns how many bytes that is.
std::uint64_t write_tar(const std::filesystem::path& directory,
                        Sink& sink,
                        const WriteOptions& options,
                        bool whiteouts,
                        const std::stop_token& stop) {
  const os::Dir root = os::Dir::open(directory);
  LayerTar tar(sink, options, whiteouts, stop);
  walk_tree(root, whiteouts, options.outside, stop, [&](Visit& visit) { tar.add(visit); });
  return tar.close();
}

}  // namespace

LayerBlob write_layer(const std::filesystem::path& snapshot,
                      const WriteOptions& options,
                      const store::BlobStore& blobs,
                      std::stop_token stop) {
  // tar → diff id → compressor → digest and size → blob, in one pass
  store::GrowingBlob unobserved(blobs);
  store::GrowingBlob& growing = options.growing != nullptr ? *options.growing : unobserved;
  const std::unique_ptr<Sink> file = growing.open();
  HashingSink blob_hash(*file);
  BlockTable blocks(options.earlier != nullptr ? options.earlier->key() : make_block_key());
  Sha256 tar_hash;
  const std::unique_ptr<Sink> compressor = make_compressor(
      options.compression, blob_hash, options.threads, {options.earlier, &blocks}, &tar_hash);
  const std::uint64_t tar_bytes = write_tar(snapshot, *compressor, options, true, stop);
  compressor->finish();

  LayerBlob layer{DiffId{tar_hash.finish()},
                  oci::Descriptor{std::string(layer_media_type(options.compression)),
                                  blob_hash.digest(),
                                  blob_hash.count_bytes(),
                                  {},
                                  {}},
                  tar_bytes, std::move(blocks)};
  growing.commit(layer.descriptor);
  return layer;
}

DiffId tar_digest(const std::filesystem::path& snapshot,
                  const WriteOptions& options,
                  std::stop_token stop) {
  struct Nowhere final : Sink {
    void write(Bytes) override {}
  } nowhere;
  HashingSink tar_hash(nowhere);
  write_tar(snapshot, tar_hash, options, true, stop);
  tar_hash.finish();
  return DiffId{tar_hash.digest()};
}

void write_tree(const std::filesystem::path& root, Sink& sink, std::stop_token stop) {
  write_tar(root, sink, {}, false, stop);
}

void write_directory(const std::filesystem::path& directory, Sink& sink, std::stop_token stop) {
  WriteOptions options;
  options.exact = true;
  write_tar(directory, sink, options, false, stop);
}

}  // namespace kiln::layer
