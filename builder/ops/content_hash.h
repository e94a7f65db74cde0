// Digests in the algorithms that a checksum may name.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "proto/bytes.h"

namespace kiln::ops {

/// A running digest. Move-only; `finish` may be called once.
class ContentHash {
 public:
  /// `algorithm`: sha256, sha384 or sha512; throws Error{invalid_input} naming another.
  explicit ContentHash(std::string_view algorithm);

  void update(Bytes bytes);
  /// "sha256:" and lower-case hex digits.
  [[nodiscard]] std::string finish();

 private:
  struct Free {
    void operator()(void* context) const noexcept;
  };
  std::string algorithm_;
  std::unique_ptr<void, Free> context_;
};

}  // namespace kiln::ops
