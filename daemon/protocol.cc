#include "daemon/protocol.h"

namespace kiln::daemon {

Protocol detect_protocol(std::string_view first_bytes) {
  // No HTTP/1.1 method begins so; the rest of the preface need not be awaited.
  constexpr std::string_view kPreface = "PRI ";
  const std::string_view known = first_bytes.substr(0, kPreface.size());
  if (known == kPreface) return Protocol::http2;
  return kPreface.starts_with(known) ? Protocol::undecided : Protocol::http1;
}

std::string http2_refusal() {
  using namespace std::string_view_literals;
  constexpr std::string_view kWhy = "kilnd speaks HTTP/1.1 here, not HTTP/2 (gRPC): use kiln";
  static_assert(kWhy.size() + 8 < 256);
  std::string frames("\0\0\0\4\0\0\0\0\0"sv);  // SETTINGS, nothing set
  frames += "\0\0"sv;                          // GOAWAY: length,
  frames += static_cast<char>(kWhy.size() + 8);
  frames += "\7\0\0\0\0\0"sv;  // type, flags, stream 0,
  frames += "\0\0\0\0"sv;      // no stream was looked at,
  frames += "\0\0\0\x0d"sv;    // HTTP_1_1_REQUIRED
  frames += kWhy;
  return frames;
}

}  // namespace kiln::daemon
