#include "builder/dockerfile/git_ref.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "builder/dockerfile/go_text.h"
#include "builder/dockerfile/go_url.h"
#include "builder/dockerfile/mistake.h"

namespace kiln::dockerfile {

namespace {

/// A place without its options, and the options.
struct Place {
  std::string remote;
  std::string fragment;
  Query query;
};

bool is_scp_user(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_';
  });
}

bool is_scp_host(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '.';
  });
}

/// "user@host:path?query#ref:subdir"
std::optional<Place> parse_scp(std::string_view text) {
  const std::size_t at = text.find('@');
  const std::size_t colon = text.find(':', at == std::string_view::npos ? text.size() : at);
  if (colon == std::string_view::npos || text.contains('\n')) return std::nullopt;
  if (!is_scp_user(text.substr(0, at)) || !is_scp_host(text.substr(at + 1, colon - at - 1)))
    return std::nullopt;
  const std::size_t end = std::min(text.find_first_of("?#", colon), text.size());
  const std::size_t hash = std::min(text.find('#', colon), text.size());
  Place place{std::string(text.substr(0, end)), {}, {}};
  if (hash < text.size()) place.fragment = text.substr(hash + 1);
  if (end < hash) {
    const auto query = parse_query(text.substr(end + 1, hash - end - 1));
    if (!query) return std::nullopt;
    place.query = *query;
  }
  return place;
}

/// True for "letters and digits" before "://".
bool has_protocol(std::string_view text) {
  const std::size_t end = text.find("://");
  return end != std::string_view::npos && end > 0 &&
         std::ranges::all_of(text.substr(0, end),
                             [](unsigned char c) { return std::isalnum(c) != 0; });
}

std::optional<Place> parse_url(std::string_view text) {
  std::optional<GoUrl> url = parse_go_url(text);
  if (!url) return std::nullopt;
  const bool web = url->scheme == "http" || url->scheme == "https";
  if (!web && url->scheme != "ssh" && url->scheme != "git") return std::nullopt;
  if (web && !url->path.ends_with(".git")) return std::nullopt;
  return Place{std::move(url->base), std::move(url->fragment), std::move(url->query)};
}

/// A flag of the query; without a value it is set.
bool flag_of(const std::string& name, const std::string& value) {
  if (value.empty()) return true;
  if (const auto flag = parse_bool(value)) return *flag;
  throw Mistake(fmt::format("invalid {} value: {}", name, quoted(value)), "write true or false");
}

void set(std::string& field, const std::string& value, std::string_view name) {
  if (!field.empty() && field != value) {
    throw Mistake(fmt::format("{} conflicts: {} vs {}", name, quoted(field), quoted(value)));
  }
  field = value;
}

std::string qualified(const std::string& name, std::string_view prefix) {
  return name.starts_with(prefix) ? name : std::string(prefix) + name;
}

class QueryReader {
 public:
  explicit QueryReader(GitRef& git) : git_(git) {}

  void read(const Query& query) {
    std::map<std::string, std::string> values;
    for (const auto& [name, value] : query) {
      if (!values.emplace(name, value).second)
        throw Mistake(fmt::format("query {} has multiple values", quoted(name)));
    }
    for (const auto& [name, value] : values)
      read(name, value);
    if (!tag_.empty()) set(git_.ref, qualified(tag_, "refs/tags/"), "ref");
    if (!branch_.empty()) {
      if (!tag_.empty()) throw Mistake("branch conflicts with tag", "name one of them");
      set(git_.ref, qualified(branch_, "refs/heads/"), "ref");
    }
    if (git_.ref.empty()) git_.ref = git_.checksum;
  }

 private:
  void read(const std::string& name, const std::string& value) {
    if (name == "keep-git-dir") {
      git_.keep_git_dir = flag_of(name, value);
    } else if (name == "submodules") {
      git_.submodules = flag_of(name, value);
    } else if (name == "fetch-by-commit") {
      git_.fetch_by_commit = flag_of(name, value);
    } else if (value.empty()) {
      throw Mistake(fmt::format("query {} has no value", quoted(name)));
    } else if (name == "ref") {
      set(git_.ref, value, "ref");
    } else if (name == "tag") {
      tag_ = value;
    } else if (name == "branch") {
      branch_ = value;
    } else if (name == "subdir") {
      set(git_.subdir, value, "subdir");
    } else if (name == "checksum" || name == "commit") {
      git_.checksum = value;
    } else if (name == "mtime") {
      read_mtime(value);
    } else {
      throw Mistake(fmt::format("unexpected query {}", quoted(name)),
                    "a git repository takes ref, tag, branch, subdir, checksum, keep-git-dir, "
                    "submodules, mtime and fetch-by-commit");
    }
  }

  void read_mtime(const std::string& value) {
    if (value != "checkout" && value != "commit")
      throw Mistake(fmt::format("invalid mtime value: {}", quoted(value)),
                    "write checkout or commit");
    git_.commit_times = value == "commit";
  }

  GitRef& git_;
  std::string tag_;
  std::string branch_;
};

}  // namespace

std::optional<GitRef> parse_git_ref(std::string_view text) {
  if (text.starts_with("./") || text.starts_with("../")) return std::nullopt;
  GitRef git;
  std::optional<Place> place;
  if (text.starts_with("github.com/")) {
    git.looks_local = true;
    std::optional<GoUrl> url = parse_go_url(text);
    if (!url) return std::nullopt;
    place = Place{"https://" + url->base, std::move(url->fragment), std::move(url->query)};
  } else {
    place = has_protocol(text) ? parse_url(text) : parse_scp(text);
  }
  if (!place) return std::nullopt;
  git.remote = std::move(place->remote);
  const std::size_t colon = std::min(place->fragment.find(':'), place->fragment.size());
  git.ref = place->fragment.substr(0, colon);
  git.subdir = place->fragment.substr(std::min(colon + 1, place->fragment.size()));
  QueryReader(git).read(place->query);
  return git;
}

graph::GitSource source_of(GitRef git) {
  graph::GitSource source;
  source.remote = std::move(git.remote);
  source.ref = std::move(git.ref);
  source.subdir = std::move(git.subdir);
  source.checksum = std::move(git.checksum);
  source.keep_git_dir = git.keep_git_dir.value_or(false);
  source.skip_submodules = !git.submodules.value_or(true);
  source.commit_times = git.commit_times;
  source.fetch_by_commit = git.fetch_by_commit;
  return source;
}

}  // namespace kiln::dockerfile
