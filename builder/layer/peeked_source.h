// A stream whose beginning is looked at before it is read.
#pragma once

#include <memory>
#include <vector>

#include "proto/bytes.h"

namespace kiln::layer {

/// Gives the first bytes that were looked at again, then the rest.
class PeekedSource final : public Source {
 public:
  /// Reads up to `head_bytes` of `inner`: fewer only where that ends. Throws what reading throws.
  PeekedSource(std::unique_ptr<Source> inner, std::size_t head_bytes);

  /// Before anything was read.
  [[nodiscard]] Bytes head() const { return head_; }

  std::size_t read(MutableBytes buffer) override;

 private:
  std::unique_ptr<Source> inner_;
  std::vector<std::byte> head_;
  std::size_t position_ = 0;
};

}  // namespace kiln::layer
