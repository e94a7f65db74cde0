// How a mistake in one instruction travels to whoever knows which instruction it is.
//
// Private to the front end: the parser and the lowering turn it into a Diagnostic with its place.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "proto/error.h"

namespace kiln::dockerfile {

class Mistake : public Error {
 public:
  explicit Mistake(std::string message, std::string hint = "")
      : Error(Errc::invalid_input, message), message_(std::move(message)), hint_(std::move(hint)) {}

  /// Says where in the instruction's text it is, unless that is known already.
  Mistake&& at(std::size_t offset) && {
    if (!offset_) offset_ = offset;
    return std::move(*this);
  }
  void set_offset(std::size_t offset) {
    if (!offset_) offset_ = offset;
  }

  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  [[nodiscard]] const std::string& hint() const noexcept { return hint_; }
  [[nodiscard]] const std::optional<std::size_t>& offset() const noexcept { return offset_; }

 private:
  std::string message_;
  std::string hint_;
  std::optional<std::size_t> offset_;
};

}  // namespace kiln::dockerfile
