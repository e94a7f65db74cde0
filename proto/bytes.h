// Byte streams: what layers, blobs and archives travel through, so that memory does not grow with
// them.
//
// A Sink is pushed to, a Source is pulled from; both block, so they are used from pool threads
// only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace kiln {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

[[nodiscard]] inline Bytes as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
[[nodiscard]] inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Takes bytes in order.
class Sink {
 public:
  virtual ~Sink() = default;

  /// Takes all of `bytes` or throws.
  virtual void write(Bytes bytes) = 0;

  /// Says that the stream is complete; what buffers or verifies does the rest now, or throws.
  /// Called exactly once, by whoever knows that the last byte was written.
  virtual void finish() {}
};

/// Gives bytes in order.
class Source {
 public:
  virtual ~Source() = default;

  /// Reads 1..buffer.size() bytes into `buffer`; 0 means the end.
  virtual std::size_t read(MutableBytes buffer) = 0;
};

/// Collects into a string, at most `limit_bytes` of it: more throws Error{invalid_input}.
class StringSink final : public Sink {
 public:
  explicit StringSink(std::size_t limit_bytes) : limit_bytes_(limit_bytes) {}
  void write(Bytes bytes) override;
  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] std::string take() noexcept { return std::move(text_); }

 private:
  std::size_t limit_bytes_;
  std::string text_;
};

/// Reads from memory that outlives it.
class BytesSource final : public Source {
 public:
  explicit BytesSource(Bytes bytes) : rest_(bytes) {}
  std::size_t read(MutableBytes buffer) override;

 private:
  Bytes rest_;
};

/// Writes everything to two sinks, first to `first`.
class TeeSink final : public Sink {
 public:
  TeeSink(Sink& first, Sink& second) : first_(first), second_(second) {}
  void write(Bytes bytes) override;
  void finish() override;

 private:
  Sink& first_;
  Sink& second_;
};

/// Counts what passes.
class CountingSink final : public Sink {
 public:
  explicit CountingSink(Sink& next) : next_(next) {}
  void write(Bytes bytes) override;
  void finish() override { next_.finish(); }
  [[nodiscard]] std::uint64_t count_bytes() const noexcept { return count_bytes_; }

 private:
  Sink& next_;
  std::uint64_t count_bytes_ = 0;
};

/// Moves all of `source` into `sink` (without finish); returns the number of bytes.
std::uint64_t copy(Source& source, Sink& sink);

}  // namespace kiln
