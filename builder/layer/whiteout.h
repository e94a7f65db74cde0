// OCI deletion markers by name.
// source: OCI image-spec v1.1 layer.md "Whiteouts"
#pragma once

#include <string_view>

namespace kiln::layer {

/// ".wh.NAME": NAME of the layers below is gone.
inline constexpr std::string_view kWhiteoutPrefix = ".wh.";
/// In a directory: nothing of the layers below is seen in it.
inline constexpr std::string_view kOpaqueMarker = ".wh..wh..opq";
/// What AUFS kept for itself (".wh..wh.plnk", ".wh..wh.aufs"); it means nothing to others.
inline constexpr std::string_view kAufsPrefix = ".wh..wh.";

}  // namespace kiln::layer
