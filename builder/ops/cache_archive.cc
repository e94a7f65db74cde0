#include "builder/ops/cache_archive.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>

#include "builder/layer/apply_layer.h"
#include "builder/layer/peeked_source.h"
#include "builder/layer/write_layer.h"
#include "builder/os/dir.h"
#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::ops {

namespace fs = std::filesystem;

namespace {

constexpr int kOpenDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

mode_t type_of(int directory_fd, const std::string& name) {
  struct stat status{};
  if (::fstatat(directory_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
    return status.st_mode & S_IFMT;
  if (errno != ENOENT) throw system_error(errno, "stat " + name);
  return 0;
}

os::Fd open_directory(int directory_fd, const std::string& name) {
  os::Fd fd(::openat(directory_fd, name.c_str(), kOpenDirectory));
  if (!fd) throw system_error(errno, "open " + name);
  return fd;
}

/// Deeper than any program nests its cache, and far from the end of the stack.
constexpr int kMaxDepth = 500;

void merge(int from, int into, int depth) {
  if (depth > kMaxDepth)
    throw Error(Errc::invalid_input, "directories are nested over {} deep", kMaxDepth);
  for (const os::DirEntry& entry : os::read_entries(from)) {
    const std::string& name = entry.name;
    const mode_t ours = type_of(from, name);
    const mode_t theirs = type_of(into, name);
    if (S_ISDIR(ours) && S_ISDIR(theirs)) {
      merge(open_directory(from, name).get(), open_directory(into, name).get(), depth + 1);
      continue;
    }
    // rename() replaces a file by a file; other pairs need the place to be free.
    if (S_ISDIR(theirs) || (S_ISDIR(ours) && theirs != 0)) os::remove_tree_at(into, name);
    if (::renameat(from, name.c_str(), into, name.c_str()) != 0)
      throw system_error(errno, "rename " + name);
  }
}

}  // namespace

void pack_cache(const fs::path& content,
                const std::string& id,
                layer::Compression compression,
                int threads,
                Sink& sink,
                std::stop_token stop) {
  struct stat status{};
  if (::lstat(content.c_str(), &status) != 0) throw system_error(errno, "stat the cache " + id);
  if (!S_ISDIR(status.st_mode))
    throw Error(Errc::invalid_input, "{}: this cache is a file; only directories can be saved", id);
  const auto compressor = layer::make_compressor(compression, sink, threads);
  layer::write_directory(content, *compressor, std::move(stop));
  compressor->finish();
}

void unpack_cache(std::unique_ptr<Source> archive, const fs::path& content, std::stop_token stop) {
  auto source = std::make_unique<layer::PeekedSource>(std::move(archive), layer::kArchiveHeadBytes);
  if (!layer::begins_archive(source->head())) {
    throw Error(Errc::invalid_input,
                "not an archive: want a tar, plain or compressed by zstd, gzip, bzip2 or xz");
  }
  // The umask is the daemon's, so the mode is set again.
  if (::mkdir(content.c_str(), 0755) != 0 || ::chmod(content.c_str(), 0755) != 0)
    throw system_error(errno, "make directory " + content.string());
  layer::UnpackOptions options;
  options.root = true;
  layer::unpack_archive(std::move(source), os::Dir::open(content), options, std::move(stop));
}

void merge_cache(const fs::path& from, const fs::path& into) {
  merge(open_directory(AT_FDCWD, from.string()).get(),
        open_directory(AT_FDCWD, into.string()).get(), 0);
}

}  // namespace kiln::ops
