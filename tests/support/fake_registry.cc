#include "tests/support/fake_registry.h"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cctype>
#include <condition_variable>
#include <list>
#include <mutex>
#include <thread>

#include "proto/error.h"
#include "tests/support/fake_registry_certificate.h"

namespace kiln::test {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

FakeRequest to_request(const http::request<http::string_body>& message) {
  FakeRequest request;
  const auto method = message.method_string();
  request.method.assign(method.data(), method.size());
  const auto target = message.target();
  request.target.assign(target.data(), target.size());
  for (const auto& field : message) {
    std::string name(field.name_string().data(), field.name_string().size());
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    request.headers.emplace(name, std::string(field.value().data(), field.value().size()));
  }
  request.body = message.body();
  return request;
}

std::string to_text(const FakeResponse& response, bool without_body) {
  std::string text = fmt::format("HTTP/1.1 {} Fake\r\n", response.status);
  for (const auto& [name, value] : response.headers)
    text += fmt::format("{}: {}\r\n", name, value);
  if (response.chunked) {
    text += "Transfer-Encoding: chunked\r\n\r\n";
    for (std::size_t i = 0; i < response.body.size(); i += 1000) {
      const auto piece = response.body.substr(i, 1000);
      text += fmt::format("{:x}\r\n{}\r\n", piece.size(), piece);
    }
    return text + "0\r\n\r\n";
  }
  text += fmt::format("Content-Length: {}\r\n\r\n",
                      response.declared_size.value_or(response.body.size()));
  return without_body ? text : text + response.body;
}

/// The value of `name` in a target's query; these tests' values need no decoding but "%3A".
std::string query_value(std::string_view target, std::string_view name) {
  const auto key = fmt::format("{}=", name);
  const auto query = target.find('?');
  if (query == std::string_view::npos) return {};
  const auto start = target.find(key, query);
  if (start == std::string_view::npos) return {};
  auto rest = target.substr(start + key.size());
  std::string value(rest.substr(0, rest.find('&')));
  for (auto at = value.find('%'); at != std::string::npos; at = value.find('%', at + 1))
    value.replace(at, 3, 1, static_cast<char>(std::stoi(value.substr(at + 1, 2), nullptr, 16)));
  return value;
}

struct StoredManifest {
  std::string bytes;
  std::string media_type;
};

}  // namespace

class FakeRegistry::Server {
 public:
  explicit Server(Speaks speaks);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void accept();
  void serve_connection(tcp::socket socket);
  template <class Stream>
  void serve(Stream& stream);
  template <class Stream>
  bool answer(Stream& stream, const FakeRequest& request, const FakeResponse& response);
  [[nodiscard]] Handler handler(const Handler& which) const {
    const std::lock_guard lock(mutex_);
    return which;
  }
  FakeResponse behave(const FakeRequest& request);
  FakeResponse behave_blobs(const FakeRequest& request,
                            const std::string& repository,
                            const std::string& rest);
  FakeResponse behave_manifests(const FakeRequest& request,
                                const std::string& repository,
                                const std::string& reference);

  Speaks speaks_;
  SelfSigned identity_;
  asio::io_context io_;
  asio::ssl::context tls_{asio::ssl::context::tls_server};
  tcp::acceptor acceptor_;
  mutable std::mutex mutex_;
  std::condition_variable stopping_changed_;
  bool stopping_ = false;
  int accepted_ = 0;
  std::list<int> open_;
  Handler intercept_;
  Handler intercept_head_;
  std::vector<FakeRequest> requests_;
  std::map<std::string, std::string> blobs_;
  std::map<std::string, std::string>
      chunks_;  ///< by repository: of its one upload         ///< by repository@digest
  std::map<std::string, StoredManifest> manifests_;  ///< by repository@reference
  std::vector<std::thread> threads_;                 ///< of the connections
  std::thread acceptor_thread_;
};

FakeRegistry::Server::Server(Speaks speaks)
    : speaks_(speaks), acceptor_(io_, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)) {
  if (speaks_ == Speaks::tls) {
    identity_ = make_self_signed();
    tls_.use_certificate_chain(asio::buffer(identity_.certificate_pem));
    tls_.use_private_key(asio::buffer(identity_.key_pem), asio::ssl::context::pem);
  }
  acceptor_thread_ = std::thread([this] { accept(); });
}

FakeRegistry::Server::~Server() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    // Wakes threads that block in accept, read or write.
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    for (const int fd : open_)
      ::shutdown(fd, SHUT_RDWR);
  }
  stopping_changed_.notify_all();
  acceptor_thread_.join();
  for (auto& thread : threads_)
    thread.join();
}

void FakeRegistry::Server::accept() {
  for (;;) {
    error_code error;
    tcp::socket socket(io_);
    acceptor_.accept(socket, error);
    const std::lock_guard lock(mutex_);
    if (stopping_ || error) return;
    ++accepted_;
    open_.push_back(socket.native_handle());
    threads_.emplace_back(
        [this, moved = std::move(socket)]() mutable { serve_connection(std::move(moved)); });
  }
}

void FakeRegistry::Server::serve_connection(tcp::socket socket) {
  const int fd = socket.native_handle();
  const auto forget = [&] {
    const std::lock_guard lock(mutex_);
    open_.remove(fd);
  };
  if (speaks_ == Speaks::http) {
    serve(socket);
    forget();
    return;
  }
  asio::ssl::stream<tcp::socket> stream(std::move(socket), tls_);
  error_code error;
  stream.handshake(asio::ssl::stream_base::server, error);
  if (!error) serve(stream);
  forget();
}

template <class Stream>
void FakeRegistry::Server::serve(Stream& stream) {
  beast::flat_buffer buffer;
  for (;;) {
    error_code error;
    http::request_parser<http::string_body> parser;
    parser.body_limit(boost::none);
    http::read_header(stream, buffer, parser, error);
    if (error) return;
    if (const auto look = handler(intercept_head_)) {
      const auto head = to_request(parser.get());
      if (const auto early = look(head)) {
        {
          const std::lock_guard lock(mutex_);
          requests_.push_back(head);
        }
        answer(stream, head, *early);
        std::unique_lock lock(mutex_);
        stopping_changed_.wait(lock, [this] { return stopping_; });  // reads nothing more
        return;
      }
    }
    http::read(stream, buffer, parser, error);
    if (error) return;
    const auto request = to_request(parser.get());
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    const auto look = handler(intercept_);
    auto response = look ? look(request) : std::nullopt;
    if (!response) response = behave(request);
    if (!answer(stream, request, *response)) return;
  }
}

template <class Stream>
bool FakeRegistry::Server::answer(Stream& stream,
                                  const FakeRequest& request,
                                  const FakeResponse& response) {
  {
    std::unique_lock lock(mutex_);
    if (stopping_changed_.wait_for(lock, response.delay, [this] { return stopping_; }))
      return false;
  }
  if (response.hang_up) return false;
  error_code error;
  asio::write(stream, asio::buffer(to_text(response, request.method == "HEAD")), error);
  return !error && !response.close_after && !response.declared_size;
}

FakeResponse FakeRegistry::Server::behave(const FakeRequest& request) {
  const FakeResponse unknown{.status = 404,
                             .headers = {{"Content-Type", "application/json"}},
                             .body = R"({"errors":[{"code":"UNSUPPORTED","message":"what?"}]})"};
  const auto path = request.target.substr(0, request.target.find('?'));
  if (!path.starts_with("/v2/")) return unknown;
  for (const std::string_view kind : {"/manifests/", "/blobs/"}) {
    const auto at = path.rfind(kind);
    if (at == std::string::npos) continue;
    const auto repository = path.substr(4, at - 4);
    const auto rest = path.substr(at + kind.size());
    const std::lock_guard lock(mutex_);
    return kind == "/blobs/" ? behave_blobs(request, repository, rest)
                             : behave_manifests(request, repository, rest);
  }
  return unknown;
}

FakeResponse FakeRegistry::Server::behave_blobs(const FakeRequest& request,
                                                const std::string& repository,
                                                const std::string& rest) {
  if (request.method == "POST") {
    const auto source =
        query_value(request.target, "from") + "@" + query_value(request.target, "mount");
    if (const auto mounted = blobs_.find(source); mounted != blobs_.end()) {
      blobs_[repository + "@" + query_value(request.target, "mount")] = mounted->second;
      return {.status = 201};
    }
    return {
        .status = 202,
        .headers = {{"Location", fmt::format("/v2/{}/blobs/uploads/1?_state=abc", repository)}}};
  }
  if (request.method == "PATCH") {
    chunks_[repository] = request.body;
    return {
        .status = 202,
        .headers = {{"Location", fmt::format("/v2/{}/blobs/uploads/1?_state=next", repository)}}};
  }
  if (request.method == "DELETE") {
    chunks_.erase(repository);
    return {.status = 204};
  }
  if (request.method == "PUT") {
    const auto digest = query_value(request.target, "digest");
    const std::string bytes = std::exchange(chunks_[repository], {}) + request.body;
    if (sha256(bytes).str() != digest) {
      return {.status = 400,
              .body = R"({"errors":[{"code":"DIGEST_INVALID","message":"wrong digest"}]})"};
    }
    blobs_[repository + "@" + digest] = bytes;
    return {.status = 201, .headers = {{"Docker-Content-Digest", digest}}};
  }
  const auto found = blobs_.find(repository + "@" + rest);
  if (found != blobs_.end()) return {.body = found->second};
  return {.status = 404,
          .body = R"({"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown"}]})"};
}

FakeResponse FakeRegistry::Server::behave_manifests(const FakeRequest& request,
                                                    const std::string& repository,
                                                    const std::string& reference) {
  if (request.method == "PUT") {
    const auto digest = sha256(request.body).str();
    const StoredManifest stored{request.body, request.header("content-type")};
    manifests_[repository + "@" + reference] = stored;
    manifests_[repository + "@" + digest] = stored;
    return {.status = 201, .headers = {{"Docker-Content-Digest", digest}}};
  }
  const auto found = manifests_.find(repository + "@" + reference);
  if (found == manifests_.end()) {
    return {.status = 404,
            .body = R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]})"};
  }
  return {.headers = {{"Content-Type", found->second.media_type},
                      {"Docker-Content-Digest", sha256(found->second.bytes).str()}},
          .body = found->second.bytes};
}

FakeRegistry::FakeRegistry(Speaks speaks) : server_(std::make_unique<Server>(speaks)) {}
FakeRegistry::~FakeRegistry() = default;

std::string FakeRegistry::host() const {
  return fmt::format("127.0.0.1:{}", server_->acceptor_.local_endpoint().port());
}
std::string FakeRegistry::url() const {
  return (server_->speaks_ == Speaks::tls ? "https://" : "http://") + host();
}
const std::string& FakeRegistry::certificate() const {
  return server_->identity_.certificate_pem;
}

void FakeRegistry::intercept(Handler handler) {
  server_->intercept_ = std::move(handler);
}
void FakeRegistry::intercept_head(Handler handler) {
  const std::lock_guard lock(server_->mutex_);
  server_->intercept_head_ = std::move(handler);
}

Digest FakeRegistry::add_blob(const std::string& repository, const std::string& bytes) {
  const std::lock_guard lock(server_->mutex_);
  const auto digest = sha256(bytes);
  server_->blobs_[repository + "@" + digest.str()] = bytes;
  return digest;
}

Digest FakeRegistry::add_manifest(const std::string& repository,
                                  const std::string& tag,
                                  const std::string& bytes,
                                  const std::string& media_type) {
  const std::lock_guard lock(server_->mutex_);
  const auto digest = sha256(bytes);
  server_->manifests_[repository + "@" + tag] = {bytes, media_type};
  server_->manifests_[repository + "@" + digest.str()] = {bytes, media_type};
  return digest;
}

std::optional<std::string> FakeRegistry::blob(const std::string& repository,
                                              const Digest& digest) const {
  const std::lock_guard lock(server_->mutex_);
  const auto found = server_->blobs_.find(repository + "@" + digest.str());
  if (found == server_->blobs_.end()) return std::nullopt;
  return found->second;
}

std::optional<std::string> FakeRegistry::manifest(const std::string& repository,
                                                  const std::string& reference) const {
  const std::lock_guard lock(server_->mutex_);
  const auto found = server_->manifests_.find(repository + "@" + reference);
  if (found == server_->manifests_.end()) return std::nullopt;
  return found->second.bytes;
}

std::vector<FakeRequest> FakeRegistry::requests() const {
  const std::lock_guard lock(server_->mutex_);
  return server_->requests_;
}

int FakeRegistry::count(std::string_view method, std::string_view target_prefix) const {
  const auto all = requests();
  return static_cast<int>(std::ranges::count_if(all, [&](const FakeRequest& request) {
    return request.method == method && request.target.starts_with(target_prefix);
  }));
}

int FakeRegistry::connections() const {
  const std::lock_guard lock(server_->mutex_);
  return server_->accepted_;
}

int FakeRegistry::open_connections() const {
  const std::lock_guard lock(server_->mutex_);
  return static_cast<int>(server_->open_.size());
}

}  // namespace kiln::test
