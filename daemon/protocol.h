// Which protocol a client speaks, told from its first bytes.
#pragma once

#include <string>
#include <string_view>

namespace kiln::daemon {

enum class Protocol {
  undecided,  ///< more bytes are needed
  http1,      ///< also what is nothing else: its parser says what is wrong
  http2,      ///< the connection preface. source: RFC 9113 3.4
};

[[nodiscard]] Protocol detect_protocol(std::string_view first_bytes);

/// What an HTTP/2 client is told: an empty SETTINGS and a GOAWAY with HTTP_1_1_REQUIRED and a
/// sentence that clients show. source: RFC 9113 6.5, 6.8, 7
[[nodiscard]] std::string http2_refusal();

}  // namespace kiln::daemon
