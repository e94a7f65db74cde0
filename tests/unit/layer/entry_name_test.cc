#include "builder/layer/entry_name.h"

#include <gtest/gtest.h>

#include "proto/error.h"

namespace kiln::layer {
namespace {

TEST(EntryName, CleansWhatStaysInside) {
  const std::pair<const char*, const char*> cases[] = {
      {"a/b", "a/b"},  {"./a//b/", "a/b"}, {"/etc/passwd", "etc/passwd"},
      {"a/../b", "b"}, {".", ""},          {"./", ""},
      {"/", ""},       {"a/..", ""},       {"..a/b..", "..a/b.."}};
  for (const auto& [name, clean] : cases)
    EXPECT_EQ(clean_entry_name(name), clean) << name;
}

TEST(EntryName, RefusesWhatLeadsOutIsEmptyOrTooLong) {
  std::string deep;
  for (int i = 0; i < 2100; ++i)
    deep += "d/";
  for (const std::string& name : {std::string("../x"), std::string("a/../../x"), std::string("/.."),
                                  std::string(), std::string(256, 'n'), deep}) {
    try {
      static_cast<void>(clean_entry_name(name));
      ADD_FAILURE() << name.substr(0, 50);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::corrupt);
    }
  }
}

}  // namespace
}  // namespace kiln::layer
