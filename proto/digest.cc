#include "proto/digest.h"

#include <openssl/evp.h>

#include <algorithm>

#include "proto/error.h"

namespace kiln {

namespace {

constexpr std::string_view kPrefix = "sha256:";

EVP_MD_CTX* as_evp(void* context) {
  return static_cast<EVP_MD_CTX*>(context);
}

// Fetched once: an implicit fetch for each hash costs more than hashing a small file.
const EVP_MD* algorithm() {
  static const EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return md;
}

}  // namespace

Digest Digest::parse(std::string_view text) {
  const bool hex = text.size() == kPrefix.size() + 64 && text.starts_with(kPrefix) &&
                   std::ranges::all_of(text.substr(kPrefix.size()), [](char c) {
                     return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
                   });
  if (!hex) {
    throw Error(Errc::invalid_input, "invalid digest \"{}\": want sha256: and 64 hex digits", text);
  }
  return Digest(std::string(text));
}

Digest Digest::from_hash(const std::array<std::uint8_t, 32>& hash) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text(kPrefix);
  text.reserve(kPrefix.size() + 64);
  for (const std::uint8_t byte : hash) {
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 0xfU];
  }
  return Digest(std::move(text));
}

void Sha256::Free::operator()(void* context) const noexcept {
  EVP_MD_CTX_free(as_evp(context));
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  check(context_ && EVP_DigestInit_ex2(as_evp(context_.get()), algorithm(), nullptr) == 1,
        "OpenSSL has SHA-256");
}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(Bytes bytes) {
  check(EVP_DigestUpdate(as_evp(context_.get()), bytes.data(), bytes.size()) == 1,
        "SHA-256 update");
}

Digest Sha256::finish() {
  std::array<std::uint8_t, 32> hash{};
  check(EVP_DigestFinal_ex(as_evp(context_.get()), hash.data(), nullptr) == 1, "SHA-256 final");
  return Digest::from_hash(hash);
}

Digest sha256(Bytes bytes) {
  Sha256 sha;
  sha.update(bytes);
  return sha.finish();
}

Digest sha256(std::string_view text) {
  return sha256(as_bytes(text));
}

void HashingSink::write(Bytes bytes) {
  sha_.update(bytes);
  count_bytes_ += bytes.size();
  next_.write(bytes);
}

VerifyingSink::VerifyingSink(Sink& next, Digest expected, std::optional<std::uint64_t> size_bytes)
    : next_(next), expected_(std::move(expected)), size_bytes_(size_bytes) {}

void VerifyingSink::write(Bytes bytes) {
  count_bytes_ += bytes.size();
  if (size_bytes_ && count_bytes_ > *size_bytes_) {
    throw Error(Errc::corrupt, "{}: more than the {} bytes its descriptor says", expected_.str(),
                *size_bytes_);
  }
  sha_.update(bytes);
  next_.write(bytes);
}

void VerifyingSink::finish() {
  if (size_bytes_ && count_bytes_ != *size_bytes_) {
    throw Error(Errc::corrupt, "{}: got {} bytes, its descriptor says {}", expected_.str(),
                count_bytes_, *size_bytes_);
  }
  if (const Digest actual = sha_.finish(); actual != expected_) {
    throw Error(Errc::corrupt, "digest mismatch: expected {}, the bytes received have {}",
                expected_.str(), actual.str());
  }
  next_.finish();
}

}  // namespace kiln
