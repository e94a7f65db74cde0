// EXPOSE: ports and ranges, "8000-8010/udp".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kiln::dockerfile {

struct ExposedPorts {
  std::vector<std::string> ports;  ///< "8000/tcp" each
  bool is_mapping = false;         ///< an address or a host port was given, which means nothing
  std::string odd_protocol;        ///< as written, when it is not in lower case
};

/// Throws Mistake. source: docs.docker.com "Dockerfile reference: EXPOSE"
[[nodiscard]] ExposedPorts parse_ports(std::string_view text);

}  // namespace kiln::dockerfile
