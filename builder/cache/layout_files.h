// The files of an OCI layout in a directory of somebody else's. Blocking.
//
// Names are resolved beneath the directory, with its owner's rights; a file appears under its name
// when it is whole. source: OCI image-spec v1.1 image-layout.md
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "builder/os/dir.h"
#include "builder/os/peer.h"
#include "proto/bytes.h"
#include "proto/digest.h"
#include "proto/oci.h"

namespace kiln::cache {

class LayoutFiles {
 public:
  LayoutFiles(os::Fd directory, os::Peer peer);

  /// The entry of index.json that is called `tag`; nullopt when there is none, or no layout.
  [[nodiscard]] std::optional<oci::Descriptor> find(const std::string& tag) const;
  /// Makes `tag` name what `root` is; other entries stay. Makes the layout when there is none.
  void name(const std::string& tag, oci::Descriptor root) const;

  /// Throws Error{not_found}.
  [[nodiscard]] os::Fd open(const Digest& digest) const;
  /// A document, verified. Throws Error{not_found}, {corrupt}.
  [[nodiscard]] std::string read(const Digest& digest) const;
  /// Writes a blob unless it is there with that size.
  void write(const Digest& digest, std::uint64_t bytes, Source& source) const;
  void remove(const Digest& digest) const;

  /// False when somebody else has the lock that writers take.
  [[nodiscard]] bool try_lock() const;
  void unlock() const noexcept;

 private:
  [[nodiscard]] oci::Index entries() const;
  [[nodiscard]] os::Dir folder(const std::string& path) const;
  void write_file(const os::Dir& folder, const std::string& name, Source& source) const;

  os::Dir directory_;
  os::Peer peer_;
};

}  // namespace kiln::cache
