#include "proto/shown_url.h"

#include <gtest/gtest.h>

namespace kiln {
namespace {

TEST(ShownUrl, HidesWhoAsksAndTheQuery) {
  EXPECT_EQ(shown_url("https://me:secret@example.com/a.git").find("secret"), std::string::npos);
  EXPECT_EQ(shown_url("https://token@example.com/a.git").find("token"), std::string::npos);
  EXPECT_EQ(shown_url("https://example.com/a.tar?sig=secret").find("secret"), std::string::npos);
  EXPECT_NE(shown_url("https://me:secret@example.com/a.git").find("example.com/a.git"),
            std::string::npos);
}

TEST(ShownUrl, LeavesOtherTextAlone) {
  for (const char* text : {"https://example.com/a.git#main:sub", "git@example.com:a/b.git",
                           "ssh://git@example.com/a.git", ".", "/a/b@c", "-"}) {
    EXPECT_EQ(shown_url(text), text);
  }
}

}  // namespace
}  // namespace kiln
