#include "builder/dockerfile/git_ref.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builder/dockerfile/mistake.h"

namespace kiln::dockerfile {
namespace {

GitRef parsed(std::string_view text) {
  const std::optional<GitRef> git = parse_git_ref(text);
  EXPECT_TRUE(git.has_value()) << text;
  return git.value_or(GitRef{});
}

std::string mistake_of(std::string_view text) {
  try {
    (void)parse_git_ref(text);
  } catch (const Mistake& mistake) {
    return mistake.message();
  }
  return "";
}

TEST(GitRef, IsAUrlOfAnyKnownProtocol) {
  for (const std::string text :
       {"https://github.com/moby/buildkit.git", "http://github.com/moby/buildkit.git",
        "ssh://git@github.com/moby/buildkit.git", "git://github.com/moby/buildkit",
        "git@github.com:moby/buildkit.git", "user_1-x@host.example:a/b"}) {
    EXPECT_EQ(parsed(text).remote, text);
    EXPECT_EQ(parsed(text).ref, "");
  }
}

TEST(GitRef, IsNoOtherUrlOrPath) {
  for (const std::string text :
       {"https://example.com/file.txt", "https://example.com/app.git/", "./x.git", "../x.git",
        "x.git", "a/b", "file:///srv/x.git", "ext::sh -c x", "ftp://h/x.git", "/abs/x.git",
        "host:path", "ssh://git@host:path/x.git", "http://h/%zz.git", "http://h:port/x.git",
        "http://h/a b\n.git", "git@host", "dotted.user@host:a/b"}) {
    EXPECT_FALSE(parse_git_ref(text)) << text;
  }
}

TEST(GitRef, HasARefAndASubdirectoryInItsFragment) {
  const GitRef git = parsed("https://h/a.git#baz/qux:quux/quuz");
  EXPECT_EQ(git.remote, "https://h/a.git");
  EXPECT_EQ(git.ref, "baz/qux");
  EXPECT_EQ(git.subdir, "quux/quuz");
  EXPECT_EQ(parsed("git@h:a.git#v1:d").remote, "git@h:a.git");
  EXPECT_EQ(parsed("git@h:a.git#v1:d").subdir, "d");
  EXPECT_EQ(parsed("https://h/a.git#:d").ref, "");
  EXPECT_EQ(parsed("https://h/a.git#a%20b").ref, "a b");
}

TEST(GitRef, HasOptionsInItsQuery) {
  EXPECT_EQ(parsed("https://h/a.git?tag=v1").ref, "refs/tags/v1");
  EXPECT_EQ(parsed("https://h/a.git?tag=refs/tags/v1").ref, "refs/tags/v1");
  EXPECT_EQ(parsed("https://h/a.git?branch=b").ref, "refs/heads/b");
  EXPECT_EQ(parsed("https://h/a.git?ref=r&subdir=d").subdir, "d");
  EXPECT_EQ(parsed("https://h/a.git?ref=r&subdir=d").remote, "https://h/a.git");
  EXPECT_EQ(parsed("git@h:a.git?tag=v1").ref, "refs/tags/v1");
  const GitRef git = parsed("https://h/a.git?commit=abc");
  EXPECT_EQ(git.ref, "abc");
  EXPECT_EQ(git.checksum, "abc");
  EXPECT_EQ(parsed("https://h/a.git?keep-git-dir").keep_git_dir, true);
  EXPECT_EQ(parsed("https://h/a.git?keep-git-dir=0").keep_git_dir, false);
  EXPECT_EQ(parsed("https://h/a.git?submodules=false").submodules, false);
  EXPECT_TRUE(parsed("https://h/a.git?mtime=commit").commit_times);
  EXPECT_TRUE(parsed("https://h/a.git?fetch-by-commit=true&commit=abc").fetch_by_commit);
}

TEST(GitRef, RefusesOptionsThatMakeNoSense) {
  EXPECT_EQ(mistake_of("https://h/a.git?foo=1"), "unexpected query \"foo\"");
  EXPECT_EQ(mistake_of("https://h/a.git?tag="), "query \"tag\" has no value");
  EXPECT_EQ(mistake_of("https://h/a.git?tag=a&tag=b"), "query \"tag\" has multiple values");
  EXPECT_EQ(mistake_of("https://h/a.git?ref=a#b"), "ref conflicts: \"b\" vs \"a\"");
  EXPECT_EQ(mistake_of("https://h/a.git?subdir=a#b:c"), "subdir conflicts: \"c\" vs \"a\"");
  EXPECT_EQ(mistake_of("https://h/a.git?tag=a&branch=b"), "branch conflicts with tag");
  EXPECT_EQ(mistake_of("https://h/a.git?tag=a#b"), "ref conflicts: \"b\" vs \"refs/tags/a\"");
  EXPECT_EQ(mistake_of("https://h/a.git?submodules=maybe"), "invalid submodules value: \"maybe\"");
  EXPECT_EQ(mistake_of("https://h/a.git?mtime=now"), "invalid mtime value: \"now\"");
}

TEST(GitRef, OfGithubMayLookLikeAPath) {
  const GitRef git = parsed("github.com/foo/bar#v1");
  EXPECT_TRUE(git.looks_local);
  EXPECT_EQ(git.remote, "https://github.com/foo/bar");
  EXPECT_EQ(git.ref, "v1");
}

}  // namespace
}  // namespace kiln::dockerfile
