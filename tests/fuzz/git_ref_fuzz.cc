// A repository's remote is one by itself, and means itself.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "builder/dockerfile/git_ref.h"
#include "proto/error.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kiln;
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const auto git = dockerfile::parse_git_ref(text);
    if (!git) return 0;
    const auto again = dockerfile::parse_git_ref(git->remote);
    if (!again || again->remote != git->remote) {
      // Without ".git" only github.com/... is a repository.
      if (!git->looks_local) std::abort();
    }
  } catch (const Error& error) {
    if (error.code() != Errc::invalid_input) std::abort();
  }
  return 0;
}
