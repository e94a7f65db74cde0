#include "builder/ops/selection.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "builder/graph/pattern.h"
#include "tests/support/scratch.h"

namespace kiln::ops {
namespace {

using Paths = std::vector<std::string>;

class SelectionTest : public testing::Test {
 protected:
  Paths select(const std::string& source,
               const std::vector<std::string>& ignore = {},
               const SourceFilter& filter = {}) {
    const os::Dir root = os::Dir::open(scratch_.path());
    const graph::PatternList patterns(ignore);
    const Exclusion exclusion{
        [&](std::string_view path) { return patterns.excludes(path); },
        [&](std::string_view path) { return patterns.excludes_subtree(path); }};
    Paths paths;
    names_.clear();
    for (const SelectedSource& found :
         select_source({&root, {}, "the context"}, source, filter, exclusion, {})) {
      names_.push_back(found.name);
      for (const TreeEntry& entry : found.entries)
        paths.push_back(entry.path + (entry.is_passage ? "?" : ""));
    }
    return paths;
  }
  std::string error_of(const std::string& source, const std::vector<std::string>& ignore = {}) {
    try {
      select(source, ignore);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  test::Scratch scratch_;
  Paths names_;
};

TEST_F(SelectionTest, ListsADirectoryParentsFirstSorted) {
  scratch_.write("b/z", "");
  scratch_.write("b/a/x", "");
  scratch_.write("a", "");
  EXPECT_EQ(select("."), (Paths{"", "a", "b", "b/a", "b/a/x", "b/z"}));
  EXPECT_EQ(select("b"), (Paths{"b", "b/a", "b/a/x", "b/z"}));
}

TEST_F(SelectionTest, AGlobStaysWithinADirectory) {
  scratch_.write("a.py", "");
  scratch_.write("b.py", "");
  scratch_.write("sub/c.py", "");
  EXPECT_EQ(select("*.py"), (Paths{"a.py", "b.py"}));
  EXPECT_EQ(select("s*/?.py"), Paths{"sub/c.py"});
  EXPECT_EQ(names_, Paths{"c.py"});
  EXPECT_EQ(select("*.txt"), Paths{});
}

TEST_F(SelectionTest, FollowsLinksOfTheSourceInsideTheTreeOnly) {
  scratch_.write("real/file", "");
  std::filesystem::create_symlink("real", scratch_ / "link");
  std::filesystem::create_symlink("/real/file", scratch_ / "absolute");
  std::filesystem::create_symlink("../../../../etc/passwd", scratch_ / "out");
  EXPECT_EQ(select("link/file"), Paths{"real/file"});
  EXPECT_EQ(select("absolute"), Paths{"real/file"});
  EXPECT_EQ(names_, Paths{"absolute"});
  EXPECT_NE(error_of("out"), "");
}

TEST_F(SelectionTest, KeepsLinksBelowTheSource) {
  scratch_.write("d/file", "");
  std::filesystem::create_symlink("/etc/passwd", scratch_ / "d/link");
  EXPECT_EQ(select("d"), (Paths{"d", "d/file", "d/link"}));
}

TEST_F(SelectionTest, DotDotStopsAtTheRoot) {
  scratch_.write("etc/passwd", "");
  EXPECT_EQ(select("../../etc/passwd"), Paths{"etc/passwd"});
}

TEST_F(SelectionTest, LeavesOutWhatIsIgnoredAndWalksForWhatIsNot) {
  scratch_.write("keep", "");
  scratch_.write("drop/a", "");
  scratch_.write("drop/b", "");
  scratch_.write("gone/c", "");
  EXPECT_EQ(select(".", {"drop", "gone", "!drop/b"}), (Paths{"", "drop", "drop/b", "keep"}));
}

TEST_F(SelectionTest, SaysWhyANamedFileIsNotThere) {
  scratch_.write("secret", "");
  EXPECT_EQ(error_of("nofile"), "\"nofile\": not found in the context");
  EXPECT_EQ(error_of("secret", {"secret"}),
            "\"secret\": excluded from the context by an ignore pattern");
}

TEST_F(SelectionTest, SaysWhatIsCalledAlike) {
  scratch_.write("src/requirements.txt", "");
  EXPECT_EQ(error_of("src/requirement.txt"),
            "\"src/requirement.txt\": not found in the context; did you mean "
            "\"src/requirements.txt\"?");
  EXPECT_EQ(error_of("scr/requirements.txt"),
            "\"scr/requirements.txt\": not found in the context; did you mean \"src\"?");
  EXPECT_EQ(error_of("nodir/*.txt"), "\"nodir\": not found in the context");
}

TEST_F(SelectionTest, AWildcardDoesNotGoThroughLinks) {
  scratch_.write("real/a.h", "");
  std::filesystem::create_symlink("real", scratch_ / "rlink");
  EXPECT_EQ(select("r*/*.h"), Paths{"real/a.h"});
  EXPECT_EQ(select("rlink/*.h"), Paths{"real/a.h"});
  std::filesystem::create_symlink("a.h", scratch_ / "real/b.h");
  EXPECT_EQ(select("real/b*"), Paths{"real/a.h"});
  EXPECT_EQ(names_, Paths{"b.h"});
}

TEST_F(SelectionTest, ABackslashTakesAWildcardsMeaning) {
  scratch_.write("back\\slash", "");
  scratch_.write("a*", "");
  scratch_.write("ab", "");
  EXPECT_EQ(select("back\\slash"), Paths{"back\\slash"});
  EXPECT_EQ(select("?\\*"), Paths{"a*"});
}

TEST_F(SelectionTest, ExcludesBelowASourceButNotTheFileThatItNames) {
  scratch_.write("d/a.md", "");
  scratch_.write("d/b", "");
  scratch_.write("d/sub/c.md", "");
  scratch_.write("d/sub/keep.md", "");
  const SourceFilter filter{graph::PatternList({"*.md"}), false, false};
  EXPECT_EQ(select("d", {}, filter), (Paths{"d", "d/b", "d/sub", "d/sub/c.md", "d/sub/keep.md"}));
  EXPECT_EQ(select("d/*.md", {}, filter), Paths{"d/a.md"});
  const SourceFilter but{graph::PatternList({"sub", "!sub/keep.md"}), false, false};
  EXPECT_EQ(select("d", {}, but), (Paths{"d", "d/a.md", "d/b", "d/sub?", "d/sub/keep.md"}));
}

TEST_F(SelectionTest, WithParentsTheDirectoriesOnTheWayComeToo) {
  scratch_.write("a/b/c/file", "");
  scratch_.write("a/b/other", "");
  scratch_.write("a/b2/c/deep/bar", "");
  const SourceFilter parents{graph::PatternList(), true, false};
  EXPECT_EQ(select("/./a/b/c", {}, parents), (Paths{"", "a?", "a/b?", "a/b/c", "a/b/c/file"}));
  EXPECT_EQ(select("a/./b/c/file", {}, parents), (Paths{"a", "a/b?", "a/b/c?", "a/b/c/file"}));
  EXPECT_EQ(select("a/b*/./**/bar", {}, parents),
            (Paths{"a/b", "a/b2", "a/b2/c?", "a/b2/c/deep?", "a/b2/c/deep/bar"}));
  EXPECT_EQ(select("a/./no*", {}, parents), Paths{"a"});
  EXPECT_THROW(select("a/./missing", {}, parents), Error);
}

TEST_F(SelectionTest, EndlessLinksAreAnError) {
  std::filesystem::create_symlink("b", scratch_ / "a");
  std::filesystem::create_symlink("a", scratch_ / "b");
  EXPECT_EQ(error_of("a"), "\"a\": too many levels of symbolic links");
}

TEST_F(SelectionTest, OpeningNoticesAReplacedFile) {
  scratch_.write("file", "old!");
  const os::Dir root = os::Dir::open(scratch_.path());
  const SourceTree tree{&root, {}, "the context"};
  const Exclusion none{[](std::string_view) { return false; },
                       [](std::string_view) { return false; }};
  const TreeEntry entry = select_source(tree, "file", {}, none, {}).front().entries.front();
  EXPECT_TRUE(open_entry(tree, entry));
  scratch_.write("other", "new!");
  std::filesystem::last_write_time(scratch_ / "other",
                                   std::filesystem::last_write_time(scratch_ / "file"));
  std::filesystem::rename(scratch_ / "other", scratch_ / "file");
  EXPECT_THROW(static_cast<void>(open_entry(tree, entry)), Error);
}

}  // namespace
}  // namespace kiln::ops
