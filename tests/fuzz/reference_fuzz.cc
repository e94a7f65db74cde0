// What parses prints, and prints the same when it is parsed again.
#include <cstdlib>
#include <string>

#include "proto/error.h"
#include "proto/platform.h"
#include "proto/reference.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const Reference reference = Reference::parse(text);
    if (Reference::parse(reference.str()) != reference) std::abort();
    if (Reference::parse(reference.familiar()) != reference) std::abort();
  } catch (const Error& error) {
    if (error.code() != Errc::invalid_input) std::abort();
  }
  try {
    const Platform platform = Platform::parse(text);
    if (Platform::parse(platform.str()) != platform) std::abort();
  } catch (const Error& error) {
    if (error.code() != Errc::invalid_input) std::abort();
  }
  return 0;
}
