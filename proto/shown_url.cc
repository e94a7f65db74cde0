#include "proto/shown_url.h"

#include <algorithm>

namespace kiln {

std::string shown_url(std::string_view text) {
  const std::size_t scheme = text.find("://");
  if (scheme == std::string_view::npos) return std::string(text);
  const std::size_t begin = scheme + 3;
  const std::size_t host_end = std::min(text.find_first_of("/?#", begin), text.size());
  const std::string_view authority = text.substr(begin, host_end - begin);
  const std::size_t at = authority.rfind('@');
  std::string shown(text.substr(0, begin));
  shown += at == std::string_view::npos || authority.substr(0, at) == "git"
               ? authority
               : authority.substr(at + 1);
  const std::size_t query = std::min(text.find('?', host_end), text.size());
  const std::size_t fragment = std::min(text.find('#', host_end), text.size());
  shown += text.substr(host_end, std::min(query, fragment) - host_end);
  shown += text.substr(fragment);
  return shown;
}

}  // namespace kiln
