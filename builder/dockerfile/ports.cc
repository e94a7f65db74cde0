#include "builder/dockerfile/ports.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdint>
#include <utility>

#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

std::uint16_t parse_port(std::string_view text, std::string_view what) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw Mistake(fmt::format("invalid {}", what), "want PORT[-PORT][/tcp|udp|sctp]");
  }
  return port;
}

std::pair<std::uint16_t, std::uint16_t> parse_range(std::string_view text, std::string_view name) {
  const std::string what = fmt::format("{}: {}", name, text);
  const std::size_t dash = text.find('-');
  const std::uint16_t first = parse_port(text.substr(0, dash), what);
  if (dash == std::string_view::npos) return {first, first};
  const std::uint16_t last = parse_port(text.substr(dash + 1), what);
  if (last < first) throw Mistake("invalid " + what, "the range runs backwards");
  return {first, last};
}

}  // namespace

ExposedPorts parse_ports(std::string_view text) {
  ExposedPorts result;
  std::string_view container = text;
  if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    result.is_mapping = true;
    container = text.substr(colon + 1);
    const std::string_view before = text.substr(0, colon);
    const std::size_t host = before.rfind(':');
    const std::string_view host_port =
        host == std::string_view::npos ? before : before.substr(host + 1);
    if (!host_port.empty()) (void)parse_range(host_port, "hostPort");
  }
  const std::size_t slash = container.find('/');
  const std::string_view port = container.substr(0, slash);
  if (port.empty()) throw Mistake(fmt::format("no port specified: {}<empty>", text));
  const std::string_view written =
      slash == std::string_view::npos ? "" : container.substr(slash + 1);
  const std::string protocol = written.empty() ? "tcp" : lower(written);
  if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") {
    throw Mistake(fmt::format("invalid proto: {}", written), "want tcp, udp or sctp");
  }
  if (!written.empty() && written != protocol) result.odd_protocol = written;
  const auto [first, last] = parse_range(port, "containerPort");
  for (std::uint32_t number = first; number <= last; ++number)
    result.ports.push_back(fmt::format("{}/{}", number, protocol));
  return result;
}

}  // namespace kiln::dockerfile
