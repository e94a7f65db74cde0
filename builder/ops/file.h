// File operations: copies, small files, directories, removals and links on a root file system.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>
#include <vector>

#include "builder/ops/executor.h"
#include "builder/ops/packed_layer.h"

namespace kiln::ops {

/// What an input of a file operation is: a client's selection, or a root file system.
struct FileInput {
  const ContextSelection* selection = nullptr;  ///< of a LocalSource
  solver::Stack stack;
};

/// What the layer that an operation makes is needed as: a directory to be mounted, or a blob of an
/// image. Either can be made of the other later.
enum class LayerForm { snapshot, blob };

struct WantedLayer {
  LayerForm form = LayerForm::snapshot;
  BlobObserver begun{};  ///< told of a blob that is made; may be empty
};

/// Runs the actions of `vertex`, a FileOp, in order on input 0's file system; the result has one
/// layer more. A copy of many files that was run before writes only what changed; one that is
/// wanted as a blob is packed from where its files are.
boost::asio::awaitable<solver::Stack> run_file_op(const graph::Vertex& vertex,
                                                  std::vector<FileInput> inputs,
                                                  registry::CredentialsProvider credentials,
                                                  solver::Listener listener,
                                                  WantedLayer wanted,
                                                  Workshop& workshop);

}  // namespace kiln::ops
