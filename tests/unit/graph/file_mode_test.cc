#include "builder/graph/file_mode.h"

#include <gtest/gtest.h>

#include "proto/error.h"

namespace kiln::graph {
namespace {

struct Case {
  const char* text;
  std::uint32_t before;
  bool is_directory;
  std::uint32_t after;
};

TEST(ModeChange, DoesWhatChmodDoes) {
  for (const Case& one : {
           Case{"0755", 0600, false, 0755},        Case{"4711", 0600, false, 04711},
           Case{"+x", 0644, false, 0755},          Case{"u+x", 0644, false, 0744},
           Case{"go-rwx", 0777, false, 0700},      Case{"a=r", 0777, false, 0444},
           Case{"u=rwX,go=rX", 0600, false, 0644}, Case{"u=rwX,go=rX", 0700, false, 0755},
           Case{"u=rwX,go=rX", 0600, true, 0755},  Case{"g=u", 0740, false, 0770},
           Case{"o=g-w", 0770, false, 0775},       Case{"u+s", 0755, false, 04755},
           Case{"g+s", 0755, false, 02755},        Case{"+t", 0777, true, 01777},
           Case{"u=", 0755, false, 0055},          Case{"u=rw,go=rX", 0700, false, 0655},
           Case{"=rx", 07777, false, 01555},       Case{"o=", 01777, true, 01770},
           Case{"o+t", 0777, true, 0777},          Case{"o+s", 0777, true, 0777},
           Case{"-t", 01777, true, 0777},          Case{"u=g", 04740, false, 04440},
           Case{"-w", 0777, false, 0555},
       }) {
    SCOPED_TRACE(one.text);
    EXPECT_EQ(ModeChange::parse(one.text).apply(one.before, one.is_directory), one.after);
  }
}

TEST(ModeChange, GivesMadeDirectoriesAnOctalModeOnly) {
  EXPECT_EQ(ModeChange::parse("640").made_directory_mode(), 0640U);
  EXPECT_EQ(ModeChange::parse("07777").made_directory_mode(), 0777U);
  EXPECT_EQ(ModeChange::parse("0").made_directory_mode(), 0U);
  EXPECT_EQ(ModeChange::parse("go-rwx").made_directory_mode(), 0755U);
}

TEST(ModeChange, RefusesWhatIsNotAMode) {
  for (const char* text :
       {"", "8", "77777", "u", "u+", "rwx", "u+q", "u+x,", ",u+x", "x+u", "64a"}) {
    SCOPED_TRACE(text);
    const auto parse = [text] { return ModeChange::parse(text); };
    if (std::string_view(text) == "u+") {
      EXPECT_EQ(parse().apply(0644, false), 0644U);  // chmod takes it: nothing is added
    } else {
      EXPECT_THROW(parse(), Error);
    }
  }
}

}  // namespace
}  // namespace kiln::graph
