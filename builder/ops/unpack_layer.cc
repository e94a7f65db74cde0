#include "builder/ops/unpack_layer.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>

#include "builder/os/dir.h"
#include "builder/snapshot/workspace.h"
#include "proto/error.h"

namespace kiln::ops {

namespace {

layer::Applied apply(store::Store& store,
                     std::unique_ptr<Source> blob,
                     const std::filesystem::path& tree,
                     std::stop_token stop) {
  try {
    return layer::apply_layer(std::move(blob), os::Dir::open(tree), std::move(stop));
  } catch (Error& error) {
    error.name_full_disk(store.root().native(), store::kFreeSpace);
    throw;
  }
}

}  // namespace

Unpacked unpack_layer(store::Store& store,
                      const store::LayerRow& row,
                      std::unique_ptr<Source> blob,
                      std::stop_token stop) {
  const os::TempDir scratch = store.make_temp("unpack");
  const std::filesystem::path tree = scratch.path() / "tree";
  if (::mkdir(tree.c_str(), 0755) != 0 || ::chmod(tree.c_str(), 0755) != 0) {
    throw system_error(errno, "make directory " + tree.string());
  }
  Unpacked result{apply(store, std::move(blob), tree, std::move(stop)), 0};
  if (row.diff_id && result.applied.diff_id != *row.diff_id) {
    throw Error(Errc::corrupt, "layer {}: its content is {}, the image's configuration says {}",
                row.blob->str(), result.applied.diff_id.str(), row.diff_id->str());
  }
  result.disk_bytes = snapshot::disk_bytes(tree);
  const std::filesystem::path target = store.snapshot_path(row.id);
  os::remove_tree(target);  // a damaged earlier one
  if (::rename(tree.c_str(), target.c_str()) != 0)
    throw system_error(errno, "name the snapshot " + target.string());
  return result;
}

std::optional<Unpacked> unpack_arriving(store::Store& store,
                                        const store::LayerRow& row,
                                        const std::shared_ptr<store::GrowingBlob>& blob,
                                        const std::stop_token& stop) {
  while (true) {
    try {
      return unpack_layer(store, row, std::make_unique<store::BlockingBlobReader>(blob, stop),
                          stop);
    } catch (const store::BegunAgain&) {
      continue;
    } catch (const Error&) {
      return std::nullopt;
    }
  }
}

}  // namespace kiln::ops
