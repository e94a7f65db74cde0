#include "proto/bytes.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "proto/error.h"

namespace kiln {

namespace {
constexpr std::size_t kCopyBufferBytes = 256 * 1024;
}

void StringSink::write(Bytes bytes) {
  if (bytes.size() > limit_bytes_ - text_.size()) {
    throw Error(Errc::invalid_input, "more than {} bytes where a short document was expected",
                limit_bytes_);
  }
  text_.append(as_text(bytes));
}

std::size_t BytesSource::read(MutableBytes buffer) {
  const std::size_t count = std::min(buffer.size(), rest_.size());
  if (count > 0) std::memcpy(buffer.data(), rest_.data(), count);
  rest_ = rest_.subspan(count);
  return count;
}

void TeeSink::write(Bytes bytes) {
  first_.write(bytes);
  second_.write(bytes);
}

void TeeSink::finish() {
  first_.finish();
  second_.finish();
}

void CountingSink::write(Bytes bytes) {
  next_.write(bytes);
  count_bytes_ += bytes.size();
}

std::uint64_t copy(Source& source, Sink& sink) {
  std::vector<std::byte> buffer(kCopyBufferBytes);
  std::uint64_t total = 0;
  while (const std::size_t count = source.read(buffer)) {
    sink.write(Bytes(buffer).first(count));
    total += count;
  }
  return total;
}

}  // namespace kiln
