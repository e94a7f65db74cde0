// Reading what somebody else writes when it pleases him.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "builder/os/fd.h"
#include "proto/bytes.h"

namespace kiln::os {

/// Reads a pipe, socket or file from its current offset; a stop ends a wait for bytes that may
/// never come.
class StreamSource final : public Source {
 public:
  StreamSource(Fd fd, std::string name, std::stop_token stop);
  StreamSource(const StreamSource&) = delete;
  StreamSource& operator=(const StreamSource&) = delete;

  /// Throws Error{cancelled} after a stop.
  std::size_t read(MutableBytes buffer) override;

 private:
  Fd fd_;
  std::string name_;
  std::stop_token stop_;
  Fd wake_;  // readable once stopped
  std::stop_callback<std::function<void()>> on_stop_;
};

}  // namespace kiln::os
