// What a vertex takes from the file system of a stage or an image, as content.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <filesystem>
#include <optional>
#include <vector>

#include "builder/graph/graph.h"
#include "builder/graph/key_encoding.h"
#include "builder/ops/executor.h"

namespace kiln::ops {

/// True when `vertex` sees no more of its input than the files that its copies or mounts select.
[[nodiscard]] bool is_selected_from(const graph::Vertex& vertex, std::size_t input);

/// Key parts of just those files, on the unpacked layers `lowers`; nullopt when something of them
/// is missing: executing the vertex will say what.
boost::asio::awaitable<std::optional<std::vector<graph::KeyPart>>> selected_content(
    const graph::Vertex& vertex,
    std::size_t input,
    std::vector<std::filesystem::path> lowers,
    Workshop& workshop);

}  // namespace kiln::ops
