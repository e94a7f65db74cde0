// The client's directories: what a step selects of them, and the digest of exactly that.
//
// A file is read once: its digest is kept with its identity (device, inode, size, times, mode), and
// as long as that is unchanged the file is not read again, and not even opened for its owner.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "builder/graph/key_encoding.h"
#include "builder/graph/op.h"
#include "builder/ops/selection.h"
#include "builder/store/database.h"

namespace kiln::ops {

/// A directory that the client passed, or one of ours that holds what the client sent.
struct ClientDirectory {
  os::Dir root;
  os::Peer peer;
  std::string what;  ///< "the build context"
  /// Ours: the owners in it are those of the archive, and copies keep them as from a stage. What is
  /// in it is new with every build: no digest of it is remembered.
  bool is_ours = false;
  std::shared_ptr<const void> kept;  ///< lives as long, such as a temporary directory
};

/// What a LocalSource selects, listed once and used for the key and for the copy.
struct ContextSelection {
  std::shared_ptr<const ClientDirectory> directory;
  std::vector<SelectedSource> sources;
  [[nodiscard]] SourceTree tree() const {
    return {&directory->root, directory->peer, directory->what};
  }
};

/// Lists what `source` selects. Blocks; idle threads of `helpers` take part.
[[nodiscard]] ContextSelection select_context(std::shared_ptr<const ClientDirectory> directory,
                                              const graph::LocalSource& source,
                                              std::stop_token stop,
                                              boost::asio::thread_pool* helpers = nullptr);

/// One part for each of the source's patterns: the digest of names, types, modes, link targets,
/// xattrs and bytes of what it selects. Times do not count, nor do owners unless the directory is
/// ours: copies from a client's directory do not keep them. Files are hashed on `pool`, several at
/// a time; the entries get their digests. Throws Error{unavailable} for a file that changes
/// meanwhile, Error{denied} for one that the peer may not read, whoever had it read before.
boost::asio::awaitable<std::vector<graph::KeyPart>> digest_context(ContextSelection& selection,
                                                                   store::Database& database,
                                                                   boost::asio::thread_pool& pool);

}  // namespace kiln::ops
