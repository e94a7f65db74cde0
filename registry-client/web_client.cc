#include "registry-client/web_client.h"

#include <boost/url/parse.hpp>
#include <charconv>
#include <span>
#include <utility>
#include <vector>

#include "builder/os/offload.h"
#include "registry-client/credentials.h"
#include "registry-client/progress_meter.h"
#include "registry-client/retry.h"
#include "registry-client/token_request.h"
#include "registry-client/transport.h"

namespace kiln::registry {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kChunkBytes = 256U * 1024;
/// source: Go's net/http, whose client BuildKit uses.
constexpr Redirects kRedirects{.max_hops = 10, .may_lose_tls = true};

/// "Basic ..." of the user name and password that a URL may hold; "" without.
std::string authorization_of(std::string_view url) {
  const auto view = boost::urls::parse_uri(url);
  if (!view || !view->has_userinfo()) return {};
  Credentials credentials;
  credentials.username = view->user();
  credentials.password = view->password();
  return basic_authorization(credentials);
}

std::uint64_t length_of(const Headers& headers) {
  const auto text = headers.find("Content-Length").value_or("");
  std::uint64_t length = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
  return error == std::errc{} && end == text.data() + text.size() ? length : 0;
}

/// Receives one attempt's body.
class Body {
 public:
  Body(const OpenBody& open, const WebAnswer& answer) : sink_(open(answer)) {}
  [[nodiscard]] bool wanted() const { return sink_ != nullptr; }
  void write(Bytes bytes, bool last) {
    if (!bytes.empty()) sink_->write(bytes);
    if (last) sink_->finish();
  }

 private:
  std::unique_ptr<Sink> sink_;
};

}  // namespace

class WebClient::Impl {
 public:
  Impl(asio::thread_pool& pool, Client::Options options)
      : pool_(pool),
        options_(std::move(options)),
        transport_(options_, pool, Loopback::verified),
        pacer_(make_pacer(options_.sleep)) {}

  asio::awaitable<WebAnswer> get(const WebRequest& request,
                                 const OpenBody& open,
                                 const WebProgressFn& progress) {
    Request wire{"GET", Url::parse(request.url), request.headers, {}, nullptr};
    if (const auto basic = authorization_of(request.url);
        !basic.empty() && !wire.headers.find("Authorization")) {
      wire.headers.add("Authorization", basic);
    }
    auto response = co_await transport_.send(std::move(wire), {}, kRedirects);
    WebAnswer answer{response.status(), response.headers()};
    if (answer.status == 304) co_return answer;
    if (answer.status < 200 || answer.status >= 300) {
      const std::string words = co_await response.read_words();
      response.fail(words);
    }
    co_await receive(response, answer, open, progress);
    co_return answer;
  }

  [[nodiscard]] const Pacer& pacer() const noexcept { return pacer_; }

 private:
  asio::awaitable<void> receive(Response& response,
                                const WebAnswer& answer,
                                const OpenBody& open,
                                const WebProgressFn& progress) {
    Body body = co_await os::offload(pool_, [&] { return Body(open, answer); });
    if (!body.wanted()) co_return;
    const std::uint64_t total = length_of(answer.headers);
    ProgressMeter meter([&progress, total](std::uint64_t current) {
      if (progress) progress(current, total);
    });
    std::vector<std::byte> chunk(kChunkBytes);
    for (bool last = false; !last;) {
      const std::size_t count = co_await response.read(chunk);
      last = count < chunk.size();
      const Bytes bytes = std::span(chunk).first(count);
      co_await os::offload(pool_, [&] { body.write(bytes, last); });
      meter.advance(count);
    }
    meter.finish();
  }

  asio::thread_pool& pool_;
  Client::Options options_;
  Transport transport_;
  Pacer pacer_;
};

WebClient::WebClient(asio::thread_pool& pool, Client::Options options)
    : impl_(std::make_unique<Impl>(pool, std::move(options))) {}
WebClient::~WebClient() = default;

asio::awaitable<WebAnswer> WebClient::get(WebRequest request,
                                          OpenBody open,
                                          WebProgressFn progress) {
  auto attempt = [&] { return impl_->get(request, open, progress); };
  co_return co_await with_retries(RetryPolicy{}, impl_->pacer(), attempt);
}

}  // namespace kiln::registry
