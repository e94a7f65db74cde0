#include "builder/graph/pattern.h"

#include <gtest/gtest.h>

#include <chrono>

#include "proto/error.h"

namespace kiln::graph {
namespace {

struct GlobCase {
  std::string_view pattern;
  std::string_view path;
  bool matches;
};

TEST(Glob, FollowsGoFilepathMatch) {
  const GlobCase cases[] = {
      {"abc", "abc", true},
      {"*", "abc", true},
      {"*c", "abc", true},
      {"a*", "a", true},
      {"a*", "ab/c", false},
      {"a*/b", "abc/b", true},
      {"a*/b", "a/c/b", false},
      {"a*b*c*d*e*/f", "axbxcxdxe/f", true},
      {"a*b*c*d*e*/f", "axbxcxdxexxx/fff", false},
      {"a*b?c*x", "abxbbxdbxebxczzx", true},
      {"a*b?c*x", "abxbbxdbxebxczzy", false},
      {"ab[c]", "abc", true},
      {"ab[b-d]", "abc", true},
      {"ab[e-g]", "abc", false},
      {"ab[^c]", "abc", false},
      {"ab[^e-g]", "abc", true},
      {"a\\*b", "a*b", true},
      {"a\\*b", "ab", false},
      {"a?b", "a☺b", true},
      {"a[^a]b", "a☺b", true},
      {"a???b", "a☺b", false},
      {"a[^a][^a][^a]b", "a☺b", false},
      {"[a-ζ]*", "α", true},
      {"*[a-ζ]", "A", false},
      {"a?b", "a/b", false},
      {"a*b", "a/b", false},
      {"[\\]a]", "]", true},
      {"[\\-]", "-", true},
      {"[x\\-]", "z", false},
      {"*x", "xxx", true},
      {"", "", true},
      {"", "a", false},
      {"**", "a/b", false},
      {"è*", "état", false},
      {"é*", "école", true},
      {"☺", "☹", false},
  };
  for (const GlobCase& c : cases)
    EXPECT_EQ(matches_glob(c.pattern, c.path), c.matches) << c.pattern << " on " << c.path;
}

TEST(Glob, CrossesDirectoriesOnlyWithAnyDepth) {
  EXPECT_TRUE(matches_glob("src/**/*.py", "src/a.py", true));
  EXPECT_TRUE(matches_glob("src/**/*.py", "src/x/y/a.py", true));
  EXPECT_FALSE(matches_glob("src/**/*.py", "other/a.py", true));
  EXPECT_FALSE(matches_glob("src/**/*.py", "src/x/y/a.py", false));
}

TEST(Glob, RejectsMalformedPatterns) {
  for (const std::string_view pattern :
       {"[", "[]a]", "[-]", "[x-]", "[-x]", "[^", "[^bc", "a[", "\\", "a[b-", "[\\"})
    EXPECT_THROW((void)matches_glob(pattern, "x"), Error) << pattern;
}

TEST(Glob, TakesLinearTimeWhateverThePattern) {
  std::string pattern;
  for (int i = 0; i < 200; ++i)
    pattern += "*a";
  pattern += "b";
  const std::string path(20'000, 'a');
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(matches_glob(pattern, path));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST(Glob, KnowsItsSpecialCharacters) {
  EXPECT_TRUE(has_glob("a*"));
  EXPECT_TRUE(has_glob("a[b]"));
  EXPECT_TRUE(has_glob("a\\b"));
  EXPECT_FALSE(has_glob("a/b.c"));
}

struct IgnoreCase {
  std::string_view pattern;
  std::string_view path;
  bool excludes;
};

TEST(PatternList, FollowsMobyPatternmatcher) {
  const IgnoreCase cases[] = {
      {"**", "file", true},
      {"**", "dir/file", true},
      {"**/", "file", true},
      {"**/**", "dir/file", true},
      {"dir/**", "dir/file", true},
      {"dir/**", "dir", false},
      {"dir/**", "dir/dir2/file", true},
      {"**/dir", "dir", true},
      {"**/dir2/*", "dir/dir2/file", true},
      {"**/dir2/**", "dir/dir2/dir2/file", true},
      {"**file", "file", true},
      {"**file", "dir/file", true},
      {"**/file", "dir/file", true},
      {"**/file", "dirfile", false},
      {"**file*", "dir/fileA", true},
      {"**/*.txt", "a/b/c.txt", true},
      {"*.txt", "a/c.txt", false},
      {"a/**/b", "a/b", true},
      {"a/**/b", "a/x/y/b", true},
      {"a/**/b", "ab", false},
      {"node_modules", "node_modules/x/y", true},
      {"node_modules", "a/node_modules", false},
      {"a*/b", "ax/b/c", true},
      {"abc.def", "abcdef", false},
      {"a[^b]c", "axc", true},
      {"./a", "a", true},
      {"a/", "a", true},
      {"a//b", "a/b", true},
      {"x/../a", "a", true},
      {".", "a", false},
      {"*/**", "a", false},
      {"*/**", "a/b", true},
      {"ab(c)+", "ab(c)+", true},
  };
  for (const IgnoreCase& c : cases) {
    const PatternList list({std::string(c.pattern)});
    EXPECT_EQ(list.excludes(c.path), c.excludes) << c.pattern << " on " << c.path;
  }
}

TEST(PatternList, LetsTheLastMatchWin) {
  const PatternList list({"*.md", "!README*.md", "README-secret.md"});
  EXPECT_TRUE(list.excludes("a.md"));
  EXPECT_FALSE(list.excludes("README-x.md"));
  EXPECT_TRUE(list.excludes("README-secret.md"));
  EXPECT_EQ(list.deciding_pattern("README-x.md"), 1);
  EXPECT_EQ(list.deciding_pattern("main.c"), -1);
}

TEST(PatternList, CountsBlankPatternsInItsIndexes) {
  const PatternList list({"", "  ", "a"});
  EXPECT_EQ(list.deciding_pattern("a"), 2);
}

TEST(PatternList, ReincludesBelowAnExcludedDirectory) {
  const PatternList list({"docs", "!docs/api/*.md"});
  EXPECT_TRUE(list.excludes("docs/readme"));
  EXPECT_FALSE(list.excludes("docs/api/x.md"));
  EXPECT_FALSE(list.excludes_subtree("docs"));
  EXPECT_FALSE(list.excludes_subtree("docs/api"));
  EXPECT_TRUE(list.excludes_subtree("docs/other"));
}

TEST(PatternList, SkipsASubtreeThatNothingReincludes) {
  EXPECT_TRUE(PatternList({"a"}).excludes_subtree("a"));
  EXPECT_TRUE(PatternList({"a", "!b"}).excludes_subtree("a"));
  EXPECT_FALSE(PatternList({"a", "!**/keep"}).excludes_subtree("a"));
  EXPECT_TRUE(PatternList({"!a/b", "a"}).excludes_subtree("a"));
  EXPECT_FALSE(PatternList({"a"}).excludes_subtree("b"));
  EXPECT_FALSE(PatternList({"*", "!a/b/c"}).excludes_subtree("a"));
  EXPECT_FALSE(PatternList({"*", "!a/b/c"}).excludes_subtree("a/b"));
  EXPECT_TRUE(PatternList({"*", "!a/b/c"}).excludes_subtree("a/x"));
}

TEST(PatternList, RejectsMalformedPatterns) {
  EXPECT_THROW(PatternList({"a["}), Error);
  EXPECT_THROW(PatternList({"!"}), Error);
}

TEST(PatternList, HandlesPatternsOfMoreThan64States) {
  const std::string name(150, 'x');
  const PatternList list({"**/" + name + "*/y"});
  EXPECT_TRUE(list.excludes("a/b/" + name + "zz/y"));
  EXPECT_TRUE(list.excludes(name + "/y/below"));
  EXPECT_FALSE(list.excludes("a/" + name.substr(1) + "/y"));
}

}  // namespace
}  // namespace kiln::graph
