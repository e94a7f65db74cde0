#include "builder/dockerfile/lower_add.h"

#include <algorithm>
#include <map>

#include "builder/dockerfile/flags.h"
#include "builder/dockerfile/git_ref.h"
#include "builder/dockerfile/go_text.h"
#include "builder/dockerfile/mistake.h"
#include "builder/graph/file_name.h"

namespace kiln::dockerfile {

namespace {

/// Of a URL whose path names no file.
constexpr const char* kUnnamed = "__unnamed__";

bool is_url(std::string_view source) {
  return source.starts_with("http://") || source.starts_with("https://");
}

/// The file of that name, as a copy's source. It is the only one there is: a pattern that matches
/// any character where the name has one with a meaning matches nothing else.
std::string as_pattern(std::string_view name) {
  std::string pattern(name);
  for (char& c : pattern) {
    if (std::string_view("*[\\").contains(c)) c = '?';
  }
  return pattern;
}

std::size_t offset_of(const Instruction& instruction, std::string_view flag) {
  const Flag* found = instruction.flag(flag);
  return found ? found->offset : 0;
}

/// Throws Mistake for what is no digest. source: go-digest.
void check_digest(const std::string& text, std::size_t offset) {
  static const std::map<std::string, std::size_t> digits{
      {"sha256", 64}, {"sha384", 96}, {"sha512", 128}};
  const std::string hint = "write it as sha256:<64 hex digits>";
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == text.size())
    throw Mistake(fmt::format("invalid checksum digest format: \"{}\"", text), hint).at(offset);
  const auto algorithm = digits.find(text.substr(0, colon));
  if (algorithm == digits.end())
    throw Mistake(fmt::format("unsupported digest algorithm: \"{}\"", text), hint).at(offset);
  const std::string_view hex = std::string_view(text).substr(colon + 1);
  if (hex.size() != algorithm->second)
    throw Mistake(fmt::format("invalid checksum digest length: \"{}\"", text), hint).at(offset);
  if (hex.find_first_not_of("0123456789abcdef") != std::string_view::npos)
    throw Mistake(fmt::format("invalid checksum digest format: \"{}\"", text), hint).at(offset);
}

RemoteSource git_source(const Instruction& instruction,
                        const GitRef& git,
                        const std::string& checksum,
                        std::size_t offset) {
  graph::GitSource source = source_of(git);
  const bool flagged = is_set(instruction, "keep-git-dir", false);
  if (instruction.flag("keep-git-dir") && git.keep_git_dir && *git.keep_git_dir != flagged) {
    throw Mistake("inconsistent keep-git-dir configuration",
                  "the URL and the flag --keep-git-dir contradict each other")
        .at(offset_of(instruction, "keep-git-dir"));
  }
  source.keep_git_dir = git.keep_git_dir.value_or(flagged);
  if (!checksum.empty() && !git.checksum.empty() && checksum != git.checksum) {
    throw Mistake(fmt::format("checksum mismatch {} != {}", quoted(checksum), quoted(git.checksum)))
        .at(offset_of(instruction, "checksum"));
  }
  source.checksum = git.checksum.empty() ? checksum : git.checksum;
  if (source.checksum.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) {
    throw Mistake(
        fmt::format("invalid checksum {} for Git URL, expected hex commit hash", source.checksum))
        .at(git.checksum.empty() ? offset_of(instruction, "checksum") : offset);
  }
  if (source.ref.starts_with('-'))
    throw Mistake(fmt::format("invalid git ref {}", quoted(source.ref))).at(offset);
  return {graph::SourceOp(std::move(source)), ".", true};
}

RemoteSource http_source(const Instruction& instruction,
                         const std::string& url,
                         const std::string& checksum) {
  graph::HttpSource source;
  source.url = url;
  const std::string name = graph::file_name_of_url(url);
  source.file_name = graph::safe_file_name(name.empty() ? kUnnamed : name);
  source.checksum = checksum;
  if (!source.checksum.empty()) check_digest(source.checksum, offset_of(instruction, "checksum"));
  const std::string path = as_pattern(source.file_name);
  return {graph::SourceOp(std::move(source)), path, false};
}

/// The repository that `source` names; github.com/... is a path here.
std::optional<GitRef> repository_of(const std::string& source, std::size_t offset) {
  try {
    std::optional<GitRef> git = parse_git_ref(source);
    if (git && git->looks_local) return std::nullopt;
    return git;
  } catch (Mistake& mistake) {
    mistake.set_offset(offset);
    throw;
  }
}

}  // namespace

std::optional<RemoteSource> remote_source(StageBuilder& builder,
                                          const Copy& copy,
                                          const std::string& source,
                                          const std::string& checksum,
                                          std::size_t offset) {
  std::optional<GitRef> git = repository_of(source, offset);
  if (!git && !is_url(source)) return std::nullopt;
  if (!copy.is_add) {
    throw Mistake(fmt::format("source can't be a {} for COPY", git ? "git ref" : "URL"),
                  fmt::format("use ADD, or copy a file of the context instead of {}", source))
        .at(offset);
  }
  if (git) return git_source(builder.instruction(), *git, checksum, offset);
  return http_source(builder.instruction(), source, checksum);
}

void check_checksum(const Instruction& instruction, std::size_t sources, bool is_remote) {
  const std::size_t offset = offset_of(instruction, "checksum");
  if (sources != 1)
    throw Mistake("checksum can't be specified for multiple sources", "add each by itself")
        .at(offset);
  if (!is_remote) throw Mistake("checksum requires HTTP(S) or Git sources").at(offset);
}

}  // namespace kiln::dockerfile
