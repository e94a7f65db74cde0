#include "builder/dockerfile/remote_context.h"

#include "builder/dockerfile/git_ref.h"
#include "builder/dockerfile/mistake.h"

namespace kiln::dockerfile {

namespace {

std::optional<GitRef> repository(std::string_view text) {
  try {
    return parse_git_ref(text);
  } catch (const Mistake& mistake) {
    throw Error(Errc::invalid_input, "{}{}{}", mistake.message(),
                mistake.hint().empty() ? "" : "; ", mistake.hint());
  }
}

}  // namespace

std::optional<RemoteContext> parse_remote_context(std::string_view text, bool keep_git_dir) {
  if (std::optional<GitRef> git = repository(text)) {
    graph::GitSource source = source_of(std::move(*git));
    source.keep_git_dir = source.keep_git_dir || keep_git_dir;
    return source;
  }
  if (!text.starts_with("http://") && !text.starts_with("https://")) return std::nullopt;
  return graph::HttpSource{std::string(text), kContextFile, ""};
}

}  // namespace kiln::dockerfile
