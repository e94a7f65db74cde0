#include "registry-client/client.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <map>
#include <utility>

#include "builder/os/task_group.h"
#include "registry-client/auth.h"
#include "registry-client/blob_download.h"
#include "registry-client/blob_upload.h"
#include "registry-client/endpoint.h"
#include "registry-client/manifests.h"
#include "registry-client/retry.h"
#include "registry-client/session.h"
#include "registry-client/tags.h"
#include "registry-client/transport.h"

namespace kiln::registry {

namespace asio = boost::asio;

namespace {

/// A mirror that does not answer is not waited for: there is somebody else to ask.
constexpr RetryPolicy kOriginPolicy{};
constexpr RetryPolicy kMirrorPolicy{
    .max_attempts = 3, .max_connects = 1, .max_retry_after = std::chrono::seconds(2)};

/// What each server said, when none had it.
class Answers {
 public:
  void add(const Endpoint& endpoint, const Error& error) {
    const auto* from_registry = dynamic_cast<const RegistryError*>(&error);
    code_ = error.code();
    status_ = from_registry ? from_registry->status() : 0;
    last_ = error.what();
    if (!text_.empty()) text_ += "; ";
    text_ += fmt::format("{}{}: {}", endpoint.mirror ? "mirror " : "", endpoint.name, last_);
    ++count_;
  }
  [[noreturn]] void fail() const {
    throw RegistryError(code_, status_, count_ == 1 ? last_ : text_);
  }

 private:
  Errc code_ = Errc::unavailable;  ///< the registry's own, which is asked last
  int status_ = 0;
  int count_ = 0;
  std::string last_;
  std::string text_;
};

}  // namespace

class Client::Impl {
 public:
  Impl(asio::io_context& io, asio::thread_pool& pool, Options options)
      : io_(io),
        pool_(pool),
        options_(std::move(options)),
        pacer_(make_pacer(options_.sleep)),
        transport_(options_, pool),
        authenticator_(transport_) {}

  Session open(Endpoint endpoint,
               const Reference& reference,
               Access access,
               CredentialsProvider credentials) {
    return {transport_,           authenticator_, std::move(endpoint),
            reference.repository, access,         std::move(credentials)};
  }

  Session open_origin(const Reference& reference, Access access, CredentialsProvider credentials) {
    return open(origin_endpoint(options_.registries, reference.registry), reference, access,
                std::move(credentials));
  }

  os::Limiter& transfers(const std::string& registry) {
    return transfers_.try_emplace(registry, io_.get_executor(), options_.max_transfers_per_host)
        .first->second;
  }

  /// Awaits attempt(session) with the registry's mirrors, then itself, until one succeeds.
  template <class Attempt>
  std::invoke_result_t<Attempt&, Session&> ask_each(Reference reference,
                                                    CredentialsProvider credentials,
                                                    Attempt& attempt) {
    Answers answers;
    for (const auto& endpoint : endpoints_for(options_.registries, reference.registry)) {
      auto session = open(endpoint, reference, Access::pull, credentials);
      auto once = [&attempt, &session] { return attempt(session); };
      try {
        co_return co_await with_retries(endpoint.mirror ? kMirrorPolicy : kOriginPolicy, pacer_,
                                        once);
      } catch (const Error& error) {
        answers.add(endpoint, error);
      }
    }
    answers.fail();
  }

  asio::io_context& io_;
  asio::thread_pool& pool_;
  Options options_;
  Pacer pacer_;
  Transport transport_;
  Authenticator authenticator_;
  std::map<std::string, os::Limiter> transfers_;
};

Client::Client(asio::io_context& io, asio::thread_pool& pool, Options options)
    : impl_(std::make_unique<Impl>(io, pool, std::move(options))) {}
Client::~Client() = default;

asio::awaitable<RawManifest> Client::get_manifest(Reference reference,
                                                  CredentialsProvider credentials) {
  auto attempt = [&reference](Session& session) { return fetch_manifest(session, reference); };
  co_return co_await impl_->ask_each(reference, std::move(credentials), attempt);
}

asio::awaitable<RawManifest> Client::get_own_manifest(Reference reference,
                                                      CredentialsProvider credentials) {
  auto session = impl_->open_origin(reference, Access::pull, std::move(credentials));
  auto attempt = [&] { return fetch_manifest(session, reference); };
  co_return co_await with_retries(kOriginPolicy, impl_->pacer_, attempt);
}

asio::awaitable<std::vector<std::string>> Client::list_tags(Reference repository,
                                                            std::string prefix,
                                                            CredentialsProvider credentials) {
  auto session = impl_->open_origin(repository, Access::pull, std::move(credentials));
  auto attempt = [&] { return fetch_tags(session, prefix); };
  co_return co_await with_retries(kOriginPolicy, impl_->pacer_, attempt);
}

asio::awaitable<void> Client::delete_manifest(Reference reference,
                                              CredentialsProvider credentials) {
  auto session = impl_->open_origin(reference, Access::push, std::move(credentials));
  auto attempt = [&] { return remove_manifest(session, reference); };
  co_await with_retries(kOriginPolicy, impl_->pacer_, attempt);
}

asio::awaitable<void> Client::get_blob(Reference repository,
                                       oci::Descriptor descriptor,
                                       OpenSink open,
                                       CredentialsProvider credentials,
                                       ProgressFn progress) {
  const auto slot = co_await impl_->transfers(repository.registry).acquire();
  auto attempt = [&](Session& session) {
    return download_blob(session, impl_->pool_, descriptor, open, progress);
  };
  try {
    co_await impl_->ask_each(repository, std::move(credentials), attempt);
  } catch (const SinkFailed& failure) {
    std::rethrow_exception(failure.cause);
  }
}

asio::awaitable<bool> Client::has_blob(Reference repository,
                                       oci::Descriptor descriptor,
                                       CredentialsProvider credentials) {
  auto session = impl_->open_origin(repository, Access::pull, std::move(credentials));
  auto attempt = [&] { return blob_exists(session, descriptor); };
  co_return co_await with_retries(kOriginPolicy, impl_->pacer_, attempt);
}

asio::awaitable<bool> Client::put_blob(Reference repository,
                                       oci::Descriptor descriptor,
                                       OpenSource open,
                                       std::optional<std::string> mount_from,
                                       CredentialsProvider credentials,
                                       ProgressFn progress) {
  const auto slot = co_await impl_->transfers(repository.registry).acquire();
  auto session = impl_->open_origin(repository, Access::push, std::move(credentials));
  if (mount_from) session.read_also(*mount_from);
  UploadBody body(impl_->pool_, descriptor, std::move(open), std::move(progress));
  auto attempt = [&] { return upload_blob(session, descriptor, body, mount_from); };
  co_return co_await with_retries(kOriginPolicy, impl_->pacer_, attempt);
}

asio::awaitable<bool> Client::put_growing_blob(Reference repository,
                                               GrowingSource source,
                                               CredentialsProvider credentials) {
  auto session = impl_->open_origin(repository, Access::push, std::move(credentials));
  UploadBody body(impl_->pool_, source);
  co_return co_await upload_growing_blob(session, body, source.describe);
}

asio::awaitable<void> Client::put_manifest(Reference reference,
                                           std::string bytes,
                                           std::string media_type,
                                           CredentialsProvider credentials) {
  auto session = impl_->open_origin(reference, Access::push, std::move(credentials));
  auto attempt = [&] { return store_manifest(session, reference, bytes, media_type); };
  co_await with_retries(kOriginPolicy, impl_->pacer_, attempt);
}

asio::awaitable<void> Client::close_idle_connections() {
  asio::steady_timer timer(impl_->io_);
  for (;;) {
    timer.expires_after(ConnectionPool::kMaxIdle / 2);
    co_await timer.async_wait(asio::use_awaitable);
    impl_->transport_.close_expired();
  }
}

}  // namespace kiln::registry
