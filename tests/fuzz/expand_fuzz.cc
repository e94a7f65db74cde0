// Expanding never crashes and its words are its text without the blanks between them.
#include <cstdlib>
#include <string>

#include "builder/dockerfile/expand.h"
#include "proto/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  if (size == 0) return 0;
  const std::string word(reinterpret_cast<const char*>(data + 1), size - 1);
  dockerfile::Environment environment;
  environment.set("A", "one two");
  environment.set("B", "/usr/lib:/usr/bin");
  environment.set("E", "");
  const unsigned bits = data[0];
  const dockerfile::ExpandMode mode{.escape = (bits & 1U) != 0 ? '`' : '\\',
                                    .keep_quotes = (bits & 2U) != 0,
                                    .keep_escapes = (bits & 4U) != 0,
                                    .keep_unset = (bits & 8U) != 0,
                                    .plain_quotes = (bits & 16U) != 0};
  try {
    const dockerfile::Expansion result = dockerfile::expand(word, environment, mode);
    std::size_t total = 0;
    for (const std::string& part : result.words)
      total += part.size();
    if (total > result.text.size()) std::abort();
  } catch (const Error& error) {
    if (error.code() != Errc::invalid_input) std::abort();
  }
  return 0;
}
