#include "builder/dockerfile/remote_context.h"

#include <gtest/gtest.h>

#include "proto/error.h"

namespace kiln::dockerfile {
namespace {

graph::GitSource repository(std::string_view text, bool keep_git_dir = false) {
  return std::get<graph::GitSource>(parse_remote_context(text, keep_git_dir).value());
}

TEST(RemoteContext, IsARepositoryByItsNameOrItsHost) {
  EXPECT_EQ(repository("https://example.com/a/b.git").remote, "https://example.com/a/b.git");
  EXPECT_EQ(repository("github.com/a/b").remote, "https://github.com/a/b");
  EXPECT_EQ(repository("git@example.com:a/b.git").remote, "git@example.com:a/b.git");
}

TEST(RemoteContext, TakesARefAndADirectoryFromTheFragment) {
  const graph::GitSource source = repository("https://example.com/b.git#v1:sub/dir");
  EXPECT_EQ(source.ref, "v1");
  EXPECT_EQ(source.subdir, "sub/dir");
}

TEST(RemoteContext, KeepsGitOnDemand) {
  EXPECT_FALSE(repository("https://example.com/b.git").keep_git_dir);
  EXPECT_TRUE(repository("https://example.com/b.git", true).keep_git_dir);
}

TEST(RemoteContext, IsElseTheFileOfAUrl) {
  const auto source = parse_remote_context("https://example.com/ctx.tar.gz", false);
  const auto& file = std::get<graph::HttpSource>(source.value());
  EXPECT_EQ(file.url, "https://example.com/ctx.tar.gz");
  EXPECT_EQ(file.file_name, kContextFile);
}

TEST(RemoteContext, IsNoPathOfTheClient) {
  EXPECT_FALSE(parse_remote_context(".", false));
  EXPECT_FALSE(parse_remote_context("/srv/app", false));
  EXPECT_FALSE(parse_remote_context("app.git", false));
}

}  // namespace
}  // namespace kiln::dockerfile
