// The builder's facade as tests see it: records what it is asked and answers at once.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "builder/services.h"

namespace kiln::test {

/// What the last call got; shared by all fakes of the process, reset by each test.
struct FakeBuilder {
  std::vector<std::string> calls;
  std::map<std::string, std::string> contents;  ///< role → what could be read from the descriptor
  std::optional<Credentials> credentials;       ///< what the question for r:5000 gave
  bool ask_for_credentials = false;
  bool block = false;  ///< run_build waits until it is cancelled
  BuilderConfig config;
};
FakeBuilder& fake_builder();

}  // namespace kiln::test
