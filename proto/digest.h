// Content digests as the OCI image specification writes them: "sha256:" and 64 lower-case hex
// digits.
//
// A Digest is always valid. Digest names a blob's bytes, DiffId those of an uncompressed layer tar;
// they are distinct types because mixing them up is the classic mistake of this field.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "proto/bytes.h"

namespace kiln {

/// The digest of a blob.
class Digest {
 public:
  /// Parses "sha256:<64 hex>"; throws Error{invalid_input} naming the text.
  /// source: OCI image-spec v1.1 descriptor.md "Digests" (sha256 is the algorithm that must exist).
  [[nodiscard]] static Digest parse(std::string_view text);
  [[nodiscard]] static Digest from_hash(const std::array<std::uint8_t, 32>& hash);

  [[nodiscard]] const std::string& str() const noexcept { return text_; }
  [[nodiscard]] std::string_view hex() const noexcept { return std::string_view(text_).substr(7); }
  /// The first 12 hex digits, for people.
  [[nodiscard]] std::string_view short_hex() const noexcept { return hex().substr(0, 12); }

  friend auto operator<=>(const Digest&, const Digest&) = default;

 private:
  explicit Digest(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

/// The digest of a layer's uncompressed tar.
struct DiffId {
  Digest digest;
  [[nodiscard]] const std::string& str() const noexcept { return digest.str(); }
  friend auto operator<=>(const DiffId&, const DiffId&) = default;
};

/// A running SHA-256. Move-only; `finish` may be called once.
class Sha256 {
 public:
  Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  ~Sha256();

  void update(Bytes bytes);
  void update(std::string_view text) { update(as_bytes(text)); }
  [[nodiscard]] Digest finish();

 private:
  struct Free {
    void operator()(void* context) const noexcept;
  };
  std::unique_ptr<void, Free> context_;
};

[[nodiscard]] Digest sha256(Bytes bytes);
[[nodiscard]] Digest sha256(std::string_view text);

/// Hashes and counts what passes on to `next`.
class HashingSink final : public Sink {
 public:
  explicit HashingSink(Sink& next) : next_(next) {}
  void write(Bytes bytes) override;
  void finish() override { next_.finish(); }
  /// Call once, after the last write.
  [[nodiscard]] Digest digest() { return sha_.finish(); }
  [[nodiscard]] std::uint64_t count_bytes() const noexcept { return count_bytes_; }

 private:
  Sink& next_;
  Sha256 sha_;
  std::uint64_t count_bytes_ = 0;
};

/// Passes bytes on and throws Error{corrupt} as soon as there are more than expected, or at
/// finish() when the size or the digest differs. `next` is finished only after both matched.
class VerifyingSink final : public Sink {
 public:
  VerifyingSink(Sink& next, Digest expected, std::optional<std::uint64_t> size_bytes);
  void write(Bytes bytes) override;
  void finish() override;

 private:
  Sink& next_;
  Digest expected_;
  std::optional<std::uint64_t> size_bytes_;
  std::uint64_t count_bytes_ = 0;
  Sha256 sha_;
};

}  // namespace kiln

template <>
struct std::hash<kiln::Digest> {
  std::size_t operator()(const kiln::Digest& digest) const noexcept {
    return std::hash<std::string>{}(digest.str());
  }
};
