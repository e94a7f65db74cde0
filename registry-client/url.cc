#include "registry-client/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url.hpp>
#include <boost/url/url_view.hpp>
#include <cctype>

#include "proto/error.h"

namespace kiln::registry {

namespace {

namespace urls = boost::urls;

std::string without_query(std::string_view text) {
  return std::string(text.substr(0, text.find_first_of("?#")));
}

/// Servers put raw characters into Locations that the grammar forbids, control characters among
/// them: encoded, they can do no harm.
std::string encode_forbidden(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || std::string_view("\"<>\\^`{|}").contains(c)) {
      out += fmt::format("%{:02X}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

Url from_view(const urls::url_view& view, std::string_view text) {
  Url url;
  const auto scheme = view.scheme();
  if (scheme != "https" && scheme != "http") {
    throw Error(Errc::invalid_input, "URL '{}': neither http nor https", without_query(text));
  }
  url.tls = scheme == "https";
  url.host = std::string(view.host_address());
  std::ranges::transform(url.host, url.host.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (url.host.empty() || url.host.find_first_of(" \r\n\t/\\@") != std::string::npos) {
    throw Error(Errc::invalid_input, "URL '{}': no host", without_query(text));
  }
  url.port = view.has_port() && view.port_number() != 0 ? view.port_number() : url.tls ? 443 : 80;
  const auto path = view.encoded_path();
  url.target.assign(path.data(), path.size());
  if (url.target.empty()) url.target = "/";
  if (view.has_query()) {
    const auto query = view.encoded_query();
    url.target += '?';
    url.target.append(query.data(), query.size());
  }
  return url;
}

}  // namespace

Url Url::parse(std::string_view text) {
  const std::string encoded = encode_forbidden(text);
  const auto view = urls::parse_uri(encoded);
  if (!view) {
    throw Error(Errc::invalid_input, "URL '{}': {}", without_query(text), view.error().message());
  }
  return from_view(*view, text);
}

Url Url::of_host(bool tls, std::string_view host_port) {
  return parse(fmt::format("{}://{}/", tls ? "https" : "http", host_port));
}

Url Url::resolve(std::string_view reference) const {
  const std::string encoded = encode_forbidden(reference);
  const auto relative = urls::parse_uri_reference(encoded);
  if (!relative) {
    throw Error(Errc::invalid_input, "URL '{}': {}", without_query(reference),
                relative.error().message());
  }
  const std::string base_text =
      fmt::format("{}://{}{}", tls ? "https" : "http", authority(), target);
  const auto base = urls::parse_uri(base_text);
  check(base.has_value(), "a Url is valid");
  urls::url resolved;
  if (const auto done = urls::resolve(*base, *relative, resolved); !done) {
    throw Error(Errc::invalid_input, "URL '{}': {}", without_query(reference),
                done.error().message());
  }
  return from_view(resolved, reference);
}

void Url::add_query(std::string_view name, std::string_view value) {
  const char separator = target.find('?') == std::string::npos ? '?' : '&';
  target += fmt::format("{}{}={}", separator, name, percent_encode(value));
}

std::string Url::authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (tls ? 443 : 80) ? name : fmt::format("{}:{}", name, port);
}

std::string Url::redacted() const {
  return fmt::format("{}://{}{}", tls ? "https" : "http", authority(), without_query(target));
}

std::string percent_encode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0 || std::string_view("-._~").contains(c)) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

bool is_loopback(std::string_view host_port) {
  std::string_view host = host_port;
  if (host.starts_with('[')) {
    host = host.substr(1, host.find(']') - 1);
  } else if (std::ranges::count(host, ':') == 1) {
    host = host.substr(0, host.find(':'));
  }
  if (host == "localhost") return true;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(std::string(host), error);
  return !error && address.is_loopback();
}

}  // namespace kiln::registry
