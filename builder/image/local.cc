#include "builder/image/local.h"

#include <utility>

#include "builder/image/local_writer.h"
#include "builder/layer/tree_walk.h"

namespace kiln::image {

void write_local(const std::filesystem::path& root,
                 const os::Dir& target,
                 const os::Peer& peer,
                 std::stop_token stop) {
  LocalWriter writer(target, peer, stop);
  layer::walk_tree(os::Dir::open(root), /*deletions_first=*/false, nullptr, stop,
                   [&](layer::Visit& visit) { writer.take(visit); });
  writer.finish();
}

}  // namespace kiln::image
