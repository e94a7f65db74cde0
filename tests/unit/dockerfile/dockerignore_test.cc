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
