// A client, its loop and pool, and the small things that these tests ask it for.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_future.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "proto/oci.h"
#include "registry-client/client.h"
#include "tests/support/fake_registry.h"

namespace kiln::registry {

namespace asio = boost::asio;
using test::FakeRegistry;
using test::FakeRequest;
using test::FakeResponse;

/// Writes into a string that outlives it.
class StringRefSink final : public Sink {
 public:
  explicit StringRefSink(std::string& text) : text_(text) {}
  void write(Bytes bytes) override { text_ += as_text(bytes); }

 private:
  std::string& text_;
};

class ClientTest : public ::testing::Test {
 protected:
  /// The client is made at first use, with the options as they are then.
  Client& client() {
    if (!client_) {
      options_.sleep = [this](std::chrono::milliseconds pause) { return note(pause); };
      client_ = std::make_unique<Client>(io_, pool_, options_);
    }
    return *client_;
  }

  void use_http(const FakeRegistry& registry) {
    options_.registries[registry.host()].plain_http = true;
  }

  template <class T>
  T run(asio::awaitable<T> task) {
    std::optional<T> result;  // co_spawn's own results must be default-constructible
    run(keep(std::move(task), result));
    return std::move(*result);
  }
  void run(asio::awaitable<void> task) {
    io_.restart();
    auto done = asio::co_spawn(io_, std::move(task), asio::use_future);
    io_.run();
    done.get();
  }

  /// The error that `work` ends with; a test failure when there is none.
  template <class Work>
  RegistryError error_of(Work work) {
    try {
      work();
    } catch (const RegistryError& error) {
      return error;
    } catch (const Error& error) {
      return {error.code(), 0, error.what()};
    }
    ADD_FAILURE() << "nothing was thrown";
    return {Errc::internal, 0, ""};
  }

  CredentialsProvider provider() {
    return [this](std::string host) { return give(std::move(host)); };
  }

  RawManifest get_manifest(const std::string& reference) {
    return run(client().get_manifest(Reference::parse(reference), provider()));
  }

  std::string get_blob(const std::string& repository, oci::Descriptor descriptor) {
    std::string text;
    run(client().get_blob(
        Reference::parse(repository), std::move(descriptor),
        [&] {
          text.clear();
          ++sinks_opened_;
          return std::make_unique<StringRefSink>(text);
        },
        provider(), [this](std::uint64_t bytes) { progress_.push_back(bytes); }));
    return text;
  }

  bool put_blob(const std::string& repository,
                const std::string& bytes,
                std::optional<std::string> mount_from = std::nullopt) {
    return run(client().put_blob(
        Reference::parse(repository), descriptor_of(bytes),
        [&] { return std::make_unique<BytesSource>(as_bytes(bytes)); }, std::move(mount_from),
        provider(), [this](std::uint64_t count) { progress_.push_back(count); }));
  }

  static oci::Descriptor descriptor_of(const std::string& bytes) {
    return {std::string(oci::kLayerGzip), sha256(bytes), bytes.size(), {}, std::nullopt};
  }

  asio::io_context io_{1};
  asio::thread_pool pool_{2};
  Client::Options options_;
  std::optional<Credentials> credentials_;
  std::vector<std::string> asked_hosts_;           ///< of the credentials provider
  std::vector<std::chrono::milliseconds> pauses_;  ///< between attempts
  std::vector<std::uint64_t> progress_;
  int sinks_opened_ = 0;

 private:
  template <class T>
  static asio::awaitable<void> keep(asio::awaitable<T> task, std::optional<T>& result) {
    result.emplace(co_await std::move(task));
  }
  asio::awaitable<void> note(std::chrono::milliseconds pause) {
    pauses_.push_back(pause);
    co_return;
  }
  asio::awaitable<std::optional<Credentials>> give(std::string host) {
    asked_hosts_.push_back(std::move(host));
    co_return credentials_;
  }

  std::unique_ptr<Client> client_;
};

/// A manifest small enough to read in a test.
inline const std::string kManifestText =
    R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json",)"
    R"("config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":)"
    R"("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0},"layers":[]})";

/// More than one chunk, and not a multiple of one.
inline std::string large_text() {
  std::string text;
  for (int i = 0; text.size() < 700'000; ++i)
    text += fmt::format("line {}\n", i);
  return text;
}

}  // namespace kiln::registry
