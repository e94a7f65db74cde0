#include "builder/dockerfile/named_context.h"

#include "builder/dockerfile/text.h"
#include "proto/error.h"

namespace kiln::dockerfile {

namespace {

constexpr std::string_view kPlatformMark = "::";
constexpr std::string_view kLatest = ":latest";

std::string image_key(std::string_view name) {
  std::string familiar = Reference::parse(name).familiar();
  if (familiar.ends_with(kLatest)) familiar.resize(familiar.size() - kLatest.size());
  return familiar;
}

}  // namespace

std::string context_key(std::string_view name) {
  const std::size_t mark = name.find(kPlatformMark);
  if (mark == std::string_view::npos) return image_key(name);
  return fmt::format("{}::{}", image_key(name.substr(0, mark)),
                     Platform::parse(name.substr(mark + kPlatformMark.size())).str());
}

const NamedContext* find_context(const NamedContexts& contexts,
                                 std::string_view name,
                                 const Platform& platform) {
  if (contexts.empty() || equal_fold(name, "scratch") || equal_fold(name, "context"))
    return nullptr;
  std::string key;
  try {
    key = image_key(name);
  } catch (const Error&) {
    return nullptr;  // no image name: told as such by who needs one
  }
  for (const std::string& candidate : {key + std::string(kPlatformMark) + platform.str(), key}) {
    const auto found = contexts.find(candidate);
    if (found != contexts.end()) return &found->second;
  }
  return nullptr;
}

}  // namespace kiln::dockerfile
