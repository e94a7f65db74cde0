// From a failed exchange to the error a user reads: what was asked, what came back, what to do.
#pragma once

#include <string>
#include <string_view>

#include "registry-client/byte_stream.h"
#include "registry-client/http.h"

namespace kiln::registry {

/// What was asked of whom; URLs are shown without their query.
struct Asked {
  std::string method;
  Url url;
  std::string registry;     ///< host[:port] as the user knows it; "": no registry is asked
  bool authorized = false;  ///< with credentials or a token
};

/// The registry's own words from its error document, else the beginning of a plain-text body; ""
/// when there are none. Control characters are removed: they would reach a terminal.
/// source: OCI distribution-spec v1.1 "Error Codes".
[[nodiscard]] std::string server_words(std::string_view body);

/// Throws TemporaryError or RegistryError for a response that is not a success.
[[noreturn]] void throw_status(const Asked& asked, const ResponseHead& head, std::string_view body);

/// Throws TemporaryError or RegistryError{unavailable} for a connection that did not come about.
[[noreturn]] void throw_connect(const Asked& asked, const ConnectError& error);

/// Throws TemporaryError for a connection that broke during the exchange: "GET URL: cause".
[[noreturn]] void throw_broken(const Asked& asked, std::string_view cause);

}  // namespace kiln::registry
