#include "builder/graph/file_name.h"

#include <gtest/gtest.h>

namespace kiln::graph {
namespace {

TEST(FileName, IsTheLastComponentWithoutBlanksAround) {
  EXPECT_EQ(safe_file_name("foo.txt"), "foo.txt");
  EXPECT_EQ(safe_file_name("a/b/c.txt"), "c.txt");
  EXPECT_EQ(safe_file_name("  foo.txt  "), "foo.txt");
  EXPECT_EQ(safe_file_name("тест файл"), "тест файл");
  EXPECT_EQ(safe_file_name("a\\b"), "a\\b");
}

TEST(FileName, IsAnotherWhereTheNameIsNone) {
  for (const std::string name : {"", ".", "..", "../", "a\nb", "/"})
    EXPECT_EQ(safe_file_name(name), "download") << name;
  EXPECT_EQ(safe_file_name(std::string_view("a\0b", 3)), "download");
}

TEST(FileName, OfAUrlIsDecodedAndWithoutQuery) {
  EXPECT_EQ(file_name_of_url("http://h/a/b%20c.txt?x=/y#/z"), "b c.txt");
  EXPECT_EQ(file_name_of_url("http://h/a%2Fb"), "b");
  EXPECT_EQ(file_name_of_url("http://h/dir/"), "dir");
  EXPECT_EQ(file_name_of_url("http://h/50%"), "50%");
  EXPECT_EQ(file_name_of_url("http://h/"), "");
  EXPECT_EQ(file_name_of_url("http://h"), "");
  EXPECT_EQ(file_name_of_url("http://h?a/b"), "");
}

TEST(FileName, OfADispositionMayBeQuotedOrExtended) {
  EXPECT_EQ(file_name_of_disposition("attachment; filename=a.txt"), "a.txt");
  EXPECT_EQ(file_name_of_disposition("attachment; x=1; FileName=\"a \\\"b\\\"; c.txt\""),
            "a \"b\"; c.txt");
  EXPECT_EQ(file_name_of_disposition("attachment; filename=a; filename*=UTF-8''%C3%A9.txt"),
            "é.txt");
  EXPECT_EQ(file_name_of_disposition("attachment; filename=\"../../etc/passwd\""), "passwd");
  EXPECT_EQ(file_name_of_disposition("attachment; filename=\"dir/\""), "");
  EXPECT_EQ(file_name_of_disposition("inline"), "");
  EXPECT_EQ(file_name_of_disposition("; filename=\"unclosed"), "unclosed");
}

}  // namespace
}  // namespace kiln::graph
