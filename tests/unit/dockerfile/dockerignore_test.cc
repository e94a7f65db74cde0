#include "builder/dockerfile/dockerignore.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/error.h"

namespace kiln::dockerfile {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Dockerignore, CleansItsLines) {
  EXPECT_THAT(
      parse_ignore_file(".dockerignore",
                        "\xEF\xBB\xBF# comment\n\n  a/./b/ \r\n/c\n! /d\n # no comment\n.\n"),
      ElementsAre("a/b", "c", "!d", "# no comment", "."));
}

TEST(Dockerignore, CleansPathsAsGoDoes) {
  // source: moby/patternmatcher ignorefile_test.go, and filepath.Clean
  EXPECT_THAT(parse_ignore_file(".dockerignore",
                                "test1\n/test2\n/a/file/here\n\nlastfile\n# this is a comment\n"
                                "! /inverted/abs/path\n"),
              ElementsAre("test1", "test2", "a/file/here", "lastfile", "!inverted/abs/path"));
  EXPECT_THAT(parse_ignore_file(".dockerignore", "a/../b\n./c/\n//d//e\n../f\n**/\n/\nno end"),
              ElementsAre("b", "c", "d/e", "../f", "**", "/", "no end"));
}

TEST(Dockerignore, KnowsCommentsByTheFirstColumnAlone) {
  EXPECT_THAT(parse_ignore_file(".dockerignore", "#a\n #b\n\\#c\n!#d\n\xEF\xBB\xBF#e\n"),
              ElementsAre("#b", "\\#c", "!#d", "\xEF\xBB\xBF#e"));
}

TEST(Dockerignore, NumbersItsLines) {
  const auto lines = parse_ignore_lines(".dockerignore", "# one\n\n*.o\r\n!a.o\n");
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].pattern, "*.o");
  EXPECT_EQ(lines[0].number, 3);
  EXPECT_EQ(lines[1].pattern, "!a.o");
  EXPECT_EQ(lines[1].number, 4);
}

TEST(Dockerignore, NamesTheLineOfAMistake) {
  for (const auto& [text, line] :
       {std::pair<std::string, std::string>{"a\n!\n", ".dockerignore:2: "},
        {"\n\n[a\n", ".dockerignore:3: "}}) {
    try {
      (void)parse_ignore_file(".dockerignore", text);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(line));
    }
  }
}

}  // namespace
}  // namespace kiln::dockerfile
