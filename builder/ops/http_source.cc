#include "builder/ops/http_source.h"

#include <chrono>

#include "builder/graph/file_name.h"
#include "builder/ops/download.h"
#include "builder/ops/kept_source.h"
#include "builder/ops/new_layer.h"
#include "builder/ops/remote_sources.h"
#include "builder/os/offload.h"
#include "registry-client/url.h"

namespace kiln::ops {

namespace asio = boost::asio;
using registry::Headers;
using registry::WebAnswer;

namespace {

/// A Last-Modified that is so much older than its answer has only one content.
/// source: RFC 9110 section 8.8.2.2.
constexpr std::chrono::seconds kStrongAge{60};

std::string text_of(std::optional<std::string_view> header) {
  return std::string(header.value_or(""));
}

/// Weak validators are compared as strong ones: who asks for a file wants the file.
std::string etag_of(const WebAnswer& answer) {
  std::string etag = text_of(answer.headers.find("ETag"));
  return etag.starts_with("W/") ? etag.substr(2) : etag;
}

std::string file_name_of(const graph::HttpSource& source, const WebAnswer& answer) {
  if (!source.file_name.empty()) return graph::safe_file_name(source.file_name);
  if (const auto header = answer.headers.find("Content-Disposition")) {
    const std::string name = graph::file_name_of_disposition(*header);
    if (!name.empty()) return graph::safe_file_name(name);
  }
  return graph::safe_file_name(graph::file_name_of_url(source.url));
}

std::int64_t modified_of(const WebAnswer& answer) {
  const auto time = registry::parse_http_date(text_of(answer.headers.find("Last-Modified")));
  return time ? std::chrono::duration_cast<std::chrono::seconds>(time->time_since_epoch()).count()
              : 0;
}

/// The Last-Modified that a later request may ask about; "" when it may not.
std::string strong_date_of(const WebAnswer& answer) {
  const std::string text = text_of(answer.headers.find("Last-Modified"));
  const auto modified = registry::parse_http_date(text);
  const auto now = registry::parse_http_date(text_of(answer.headers.find("Date")));
  return modified && now && *now - *modified >= kStrongAge ? text : std::string();
}

std::string algorithm_of(const graph::HttpSource& source) {
  return source.checksum.empty() ? "sha256" : source.checksum.substr(0, source.checksum.find(':'));
}

/// What a server says of a URL, kept under:
Digest url_key(const graph::HttpSource& source) {
  return graph::hash_parts({{"kept", "url"}, {"url", source.url}, {"name", source.file_name}});
}

/// A content of a name, wherever it came from, kept under:
Digest content_key(const std::string& digest, const std::string& name) {
  return graph::hash_parts({{"kept", "web file"}, {"digest", digest}, {"name", name}});
}

WebFile to_file(const KeptSource& kept) {
  return {kept.stack, kept.note("digest"), kept.note("name"), std::stoll(kept.note("mtime"))};
}

KeptSource to_kept(const WebFile& file) {
  return {file.stack,
          {{"digest", file.digest},
           {"name", file.name},
           {"mtime", std::to_string(file.mtime_seconds)}}};
}

/// The value of an Authorization; "" without one.
std::string authorization_for(const registry::Url& url, const ClientSecrets& secrets) {
  if (const auto token = secrets.secret("HTTP_AUTH_TOKEN_" + url.host))
    return fmt::format("Bearer {}", token->view());
  const auto header = secrets.secret("HTTP_AUTH_HEADER_" + url.host);
  return header ? std::string(header->view()) : std::string();
}

std::string advice(const registry::Url& url, int status, bool authorized) {
  if (status != 401 && status != 403) return {};
  if (authorized) return "; the server refuses the secret that was given for it";
  return fmt::format(
      "; if it wants credentials, pass --secret id=HTTP_AUTH_TOKEN_{0} or "
      "id=HTTP_AUTH_HEADER_{0}",
      url.host);
}

/// One source being fetched; lives as long as anybody waits for it.
class Fetch {
 public:
  Fetch(graph::HttpSource source,
        std::string authorization,
        solver::Listener listener,
        Workshop& workshop)
      : source_(std::move(source)),
        url_(registry::Url::parse(source_.url)),
        authorization_(std::move(authorization)),
        listener_(std::move(listener)),
        workshop_(workshop),
        download_(workshop, algorithm_of(source_)) {}

  asio::awaitable<WebFile> run() {
    if (!source_.checksum.empty()) {
      const std::string name = file_name_of(source_, {});
      if (const auto known = co_await find_kept(content_key(source_.checksum, name), workshop_))
        co_return to_file(*known);
    } else {
      known_ = co_await find_kept(url_key(source_), workshop_);
    }
    const WebAnswer answer = co_await ask();
    if (answer.status == 304 && !known_) {
      throw Error(Errc::unavailable, "GET {}: 304 Not Modified, of a file that was not asked about",
                  url_.redacted());
    }
    if (answer.status == 304 || unchanged_) co_return to_file(*known_);
    co_return co_await keep_new(answer);
  }

 private:
  asio::awaitable<WebAnswer> ask() {
    registry::WebRequest request{source_.url, {{"Accept-Encoding", "gzip"}}};
    if (known_ && !known_->note("etag").empty()) {
      request.headers.add("If-None-Match", known_->note("etag"));
    } else if (known_ && !known_->note("date").empty()) {
      request.headers.add("If-Modified-Since", known_->note("date"));
    }
    if (!authorization_.empty()) request.headers.add("Authorization", authorization_);
    const registry::OpenBody open = [this](const WebAnswer& answer) { return open_body(answer); };
    const registry::WebProgressFn progress = [this](std::uint64_t current, std::uint64_t total) {
      listener_->progress(url_.redacted(), current, total);
    };
    try {
      co_return co_await workshop_.remote.web.get(std::move(request), open, progress);
    } catch (const registry::RegistryError& error) {
      throw Error(error.code(),
                  error.what() + advice(url_, error.status(), !authorization_.empty()));
    }
  }

  /// Some servers send what they were told is known; they say so at least.
  std::unique_ptr<Sink> open_body(const WebAnswer& answer) {
    unchanged_ = known_ && !known_->note("etag").empty() && known_->note("etag") == etag_of(answer);
    if (unchanged_) return nullptr;
    return download_.open(answer);
  }

  asio::awaitable<WebFile> keep_new(const WebAnswer& answer) {
    WebFile file{{}, download_.digest(), file_name_of(source_, answer), modified_of(answer)};
    if (!source_.checksum.empty() && file.digest != source_.checksum) {
      throw Error(Errc::corrupt, "{}: the checksum is {}, expected is {}", url_.redacted(),
                  file.digest, source_.checksum);
    }
    const auto known = co_await find_kept(content_key(file.digest, file.name), workshop_);
    if (known && to_file(*known).mtime_seconds == file.mtime_seconds) {
      file.stack = known->stack;
    } else {
      auto finish = [&] { download_.finish(file.name, file.mtime_seconds); };
      co_await os::offload(workshop_.pool, finish);
      file.stack = co_await add_layer(workshop_, {}, download_.workspace(), listener_);
      co_await keep(content_key(file.digest, file.name), url_.redacted(), to_kept(file), workshop_);
    }
    const std::string etag = etag_of(answer);
    const std::string date = strong_date_of(answer);
    if (source_.checksum.empty() && (!etag.empty() || !date.empty())) {
      KeptSource kept = to_kept(file);
      kept.notes.emplace("etag", etag);
      kept.notes.emplace("date", date);
      co_await keep(url_key(source_), url_.redacted(), std::move(kept), workshop_);
    }
    co_return file;
  }

  graph::HttpSource source_;
  registry::Url url_;
  std::string authorization_;
  solver::Listener listener_;
  Workshop& workshop_;
  Download download_;
  std::optional<KeptSource> known_;
  bool unchanged_ = false;
};

asio::awaitable<WebFile> run_fetch(std::shared_ptr<Fetch> fetch) {
  co_return co_await fetch->run();
}

}  // namespace

std::vector<graph::KeyPart> WebFile::parts() const {
  return {{"content", digest}, {"name", name}, {"modified", std::to_string(mtime_seconds)}};
}

std::vector<graph::KeyPart> pinned_parts(const graph::HttpSource& source) {
  return {{"content", source.checksum}, {"name", file_name_of(source, {})}};
}

asio::awaitable<WebFile> fetch_web_file(graph::HttpSource source,
                                        ClientSecrets secrets,
                                        solver::Listener listener,
                                        Workshop& workshop) {
  const std::string authorization = authorization_for(registry::Url::parse(source.url), secrets);
  // What one may see is not for another who may not.
  std::string key = fmt::format("{}\n{}\n{}\n{}", source.url, source.file_name, source.checksum,
                                sha256(authorization).str());
  const auto fetch = std::make_shared<Fetch>(std::move(source), authorization, listener, workshop);
  co_return co_await workshop.remote.web_files.run(std::move(key),
                                                   [fetch] { return run_fetch(fetch); });
}

}  // namespace kiln::ops
