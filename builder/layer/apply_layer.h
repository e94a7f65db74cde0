// A layer blob → a snapshot directory; an archive → a tree.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "builder/os/dir.h"
#include "proto/bytes.h"
#include "proto/digest.h"

namespace kiln::layer {

struct Applied {
  DiffId diff_id;  ///< of the uncompressed tar, hashed to its very end
  std::uint64_t tar_bytes = 0;
  std::uint64_t content_bytes = 0;  ///< sum of file sizes
  /// Directories that the tar has no entry for, sorted: whose they are and what mode they have is
  /// for the layers below to say (snapshot/implied_directories.h).
  std::vector<std::string> implied;
};

/// Unpacks one layer into the empty directory `target`, in overlayfs form, independent of what is
/// below: whiteouts become character devices 0/0, opaque markers trusted.overlay.opaque="y".
///
/// Hostile input: every name is resolved beneath `target`, as if that were the root: a parent that
/// is a symbolic link of the layer itself leads to another place in it, made if missing, and the
/// last part of a name is never followed. ".." in a name that leads out, a parent that is a file,
/// and hard links to what the layer does not hold are Error{corrupt} naming the entry. A leading
/// "/" means the root, as containerd and umoci have it. Owners, modes (setuid too), times, xattrs
/// (user.*, trusted.* but overlay's, POSIX ACLs, security.capability), devices, fifos and hard
/// links are kept; sockets are skipped; missing parents are made 0755 and root's. Zero blocks of
/// files stay holes.
///
/// thread  any; blocks; `blob` is read by a thread of the call's own, which ends with it
/// source  OCI image-spec v1.1 layer.md "Applying Changesets"; containerd pkg/archive/tar.go
[[nodiscard]] Applied apply_layer(std::unique_ptr<Source> blob,
                                  const os::Dir& target,
                                  std::stop_token stop);

/// How `ADD archive.tar` sets owners: nullopt keeps the archive's numeric ones.
struct UnpackOptions {
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  bool root = false;  ///< an entry for the root sets the target's attributes
};

/// True when the first bytes of a file are those of a tar archive, plain or compressed by gzip,
/// bzip2, xz or zstd (what ADD unpacks). Reads from the start of `fd` and rewinds it.
[[nodiscard]] bool is_archive(int fd);

/// How much of a stream begins_archive wants to see: all of it when there is less.
inline constexpr std::size_t kArchiveHeadBytes = 512;

/// True when a stream that begins so is meant to be an archive: compressed in a way that archives
/// are, or a tar. Unlike is_archive it takes the compressed bytes at their word.
[[nodiscard]] bool begins_archive(Bytes head);

/// Unpacks an archive into the open directory `target`, as if it were the root: links in the
/// archive and in the directory are resolved inside it, nothing leaves it. An entry for the root
/// itself changes nothing, unless `options` say so; a directory goes into what a link of its name
/// leads to, if that is a directory; everything else replaces what is there. ".wh." names have no
/// meaning here. source: buildkit solver/llbsolver/file/unpack_root.go
void unpack_archive(std::unique_ptr<Source> archive,
                    const os::Dir& target,
                    const UnpackOptions& options,
                    std::stop_token stop);

}  // namespace kiln::layer
