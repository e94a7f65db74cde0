// Files of web servers: fetched once, asked about again by their validators.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "builder/graph/key_encoding.h"
#include "builder/ops/client_secrets.h"
#include "builder/ops/executor.h"

namespace kiln::ops {

/// A downloaded file: the only one of a layer, mode 0600, owner 0:0.
struct WebFile {
  solver::Stack stack;
  std::string digest;              ///< "sha256:...", or in the algorithm of the source's checksum
  std::string name;                ///< of the file in the layer's root
  std::int64_t mtime_seconds = 0;  ///< Last-Modified, else 0

  /// What the source's key consists of.
  [[nodiscard]] std::vector<graph::KeyPart> parts() const;
};

/// Fetches the file, or takes the one of an earlier time: without asking anybody when the checksum
/// names its content, else when the server says that it has not changed. The server is given the
/// client's secrets HTTP_AUTH_HEADER_<host> (a whole Authorization) or HTTP_AUTH_TOKEN_<host> (a
/// bearer token); no other host gets them. Throws Error naming the URL without its query, and both
/// digests when they differ. source: BuildKit's source/http.
boost::asio::awaitable<WebFile> fetch_web_file(graph::HttpSource source,
                                               ClientSecrets secrets,
                                               solver::Listener listener,
                                               Workshop& workshop);

/// The key of a source whose checksum is given: nothing is fetched for it.
[[nodiscard]] std::vector<graph::KeyPart> pinned_parts(const graph::HttpSource& source);

}  // namespace kiln::ops
