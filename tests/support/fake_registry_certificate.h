// A certificate for 127.0.0.1 that is its own authority.
#pragma once

#include <string>

namespace kiln::test {

struct SelfSigned {
  std::string certificate_pem;
  std::string key_pem;
};

[[nodiscard]] SelfSigned make_self_signed();

}  // namespace kiln::test
