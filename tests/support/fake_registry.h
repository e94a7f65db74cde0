// A registry in the test process: a real HTTP server on loopback that records what it is asked and
// misbehaves on demand.
//
// Thread: handlers run on the server's threads, one for each connection; the registry itself is
// safe to use from the test's.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/digest.h"

namespace kiln::test {

struct FakeRequest {
  std::string method;
  std::string target;                               ///< path and query
  std::multimap<std::string, std::string> headers;  ///< names in lower case
  std::string body;
  [[nodiscard]] std::string header(const std::string& lower_case_name) const {
    const auto found = headers.find(lower_case_name);
    return found == headers.end() ? std::string() : found->second;
  }
};

struct FakeResponse {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};
  std::optional<std::uint64_t> declared_size{};  ///< more than the body has: it is cut off
  bool chunked = false;
  std::chrono::milliseconds delay{0};  ///< before the first byte
  bool hang_up = false;                ///< closes without an answer
  bool close_after = false;            ///< closes without having said so
};

class FakeRegistry {
 public:
  /// nullopt passes the request on to the registry's ordinary behaviour.
  using Handler = std::function<std::optional<FakeResponse>(const FakeRequest&)>;

  enum class Speaks { http, tls };

  explicit FakeRegistry(Speaks speaks = Speaks::http);
  ~FakeRegistry();

  [[nodiscard]] std::string host() const;  ///< 127.0.0.1:PORT
  [[nodiscard]] std::string url() const;   ///< scheme://127.0.0.1:PORT
  /// The certificate (its own authority, valid for 127.0.0.1), PEM.
  [[nodiscard]] const std::string& certificate() const;

  /// Sees every request first; replaces the one before.
  void intercept(Handler handler);
  /// Sees every request before its body is read; what it answers leaves the body unread.
  void intercept_head(Handler handler);

  /// Makes blob requests of `repository` find these bytes.
  Digest add_blob(const std::string& repository, const std::string& bytes);
  Digest add_manifest(const std::string& repository,
                      const std::string& tag,
                      const std::string& bytes,
                      const std::string& media_type);
  [[nodiscard]] std::optional<std::string> blob(const std::string& repository,
                                                const Digest& digest) const;
  [[nodiscard]] std::optional<std::string> manifest(const std::string& repository,
                                                    const std::string& reference) const;

  /// What was asked so far, in order.
  [[nodiscard]] std::vector<FakeRequest> requests() const;
  /// How many requests had this method and a target beginning like this.
  [[nodiscard]] int count(std::string_view method, std::string_view target_prefix) const;
  [[nodiscard]] int connections() const;  ///< accepted so far
  [[nodiscard]] int open_connections() const;

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

}  // namespace kiln::test
