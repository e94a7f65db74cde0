// A layer that is packed without having been a directory first.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <memory>

#include "builder/ops/executor.h"
#include "builder/ops/packed_files.h"
#include "builder/snapshot/workspace.h"
#include "builder/store/growing_blob.h"

namespace kiln::ops {

/// Told of a blob that begins to be written.
using BlobObserver = std::function<void(std::shared_ptr<store::GrowingBlob>)>;

/// Packs what `workspace` holds and `files` as a new layer that has a blob and no snapshot, and
/// returns `base` with it on top. `predecessor`: whose blob may have much of it already, or none.
/// `listener` is told how long that took, and `begun` of a blob that is not small, if it is set.
/// `files` outlives the call.
boost::asio::awaitable<solver::Stack> add_packed_layer(
    Workshop& workshop,
    solver::Stack base,
    std::shared_ptr<snapshot::Workspace> workspace,
    PackedFiles& files,
    solver::Listener listener,
    BlobObserver begun,
    store::LayerId predecessor);

}  // namespace kiln::ops
