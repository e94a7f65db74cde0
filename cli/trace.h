// A build in the trace format that chrome://tracing and Perfetto load.
// source: docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU (Trace Event
// Format)
#pragma once

#include <string>

#include "proto/build_history.h"

namespace kiln::cli {

/// Complete events in microseconds since the build began. Steps are put on as few tracks as they
/// need not to overlap, their phases inside them; phases of one step that run side by side get
/// tracks of their own. Pure.
[[nodiscard]] std::string chrome_trace(const BuildDetail& detail);

}  // namespace kiln::cli
