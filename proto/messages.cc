#include "proto/messages.h"

namespace kiln {

std::string_view to_word(Errc code) {
  switch (code) {
    case Errc::invalid_input:
      return "invalid_input";
    case Errc::not_found:
      return "not_found";
    case Errc::denied:
      return "denied";
    case Errc::unavailable:
      return "unavailable";
    case Errc::corrupt:
      return "corrupt";
    case Errc::cancelled:
      return "cancelled";
    case Errc::step_failed:
      return "step_failed";
    case Errc::internal:
      return "internal";
  }
  return "internal";
}

}  // namespace kiln
