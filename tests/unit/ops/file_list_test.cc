#include "builder/ops/file_list.h"

#include <gmock/gmock.h>

namespace kiln::ops {
namespace {

using testing::ElementsAre;

std::vector<std::string> compared(std::vector<store::ListedFile> before,
                                  std::vector<store::ListedFile> after) {
  std::vector<std::string> lines;
  for (const Difference& difference : compare(std::move(before), std::move(after)))
    lines.push_back(fmt::format("{} {} {}>{}", difference.name, difference.change,
                                difference.before, difference.after));
  return lines;
}

store::ListedFile file(std::string path, std::string content, std::uint32_t mode = 0644) {
  return {std::move(path), S_IFREG | mode, "", std::move(content)};
}

TEST(CompareFiles, WhatIsNewGoneOrChangedIsToldByPath) {
  EXPECT_THAT(compared({file("b", "1"), file("a", "1"), file("gone", "1")},
                       {file("b", "2"), file("a", "1"), file("new", "1")}),
              ElementsAre("b content >", "gone removed >", "new added >"));
}

TEST(CompareFiles, AModeAnOwnerALinkAndATypeAreToldWithBothValues) {
  EXPECT_THAT(compared({file("a", "1", 0644)}, {file("a", "1", 0755)}),
              ElementsAre("a mode 644>755"));
  EXPECT_THAT(compared({{"a", S_IFDIR, "0:0", ""}}, {{"a", S_IFDIR, "1:2", ""}}),
              ElementsAre("a owner 0:0>1:2"));
  EXPECT_THAT(compared({{"a", S_IFLNK, "", "x"}}, {{"a", S_IFLNK, "", "y"}}),
              ElementsAre("a link x>y"));
  EXPECT_THAT(compared({{"a", S_IFDIR, "", ""}}, {file("a", "1")}),
              ElementsAre("a type directory>file"));
  EXPECT_THAT(compared({{"a", S_IFDIR, "", "1"}}, {{"a", S_IFDIR, "", "2"}}),
              ElementsAre("a attributes >"));
}

TEST(CompareFiles, EqualListsDoNotDiffer) {
  EXPECT_THAT(compared({file("a", "1")}, {file("a", "1")}), ElementsAre());
}

}  // namespace
}  // namespace kiln::ops
