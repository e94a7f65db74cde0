#include "builder/ops/copied_files.h"

#include <gtest/gtest.h>

namespace kiln::ops {
namespace {

FileState state(std::uint8_t number) {
  FileState made{};
  made.front() = number;
  return made;
}

TEST(CopiedFiles, SurviveTheirEncoding) {
  const CopiedFiles files{{"app/a", state(1)}, {"app/with\nnewline", state(2)}, {"b", FileState{}}};
  const std::string bytes = encode(files);
  EXPECT_EQ(decode_copied_files(bytes), files);
  EXPECT_EQ(decode_copied_files(encode({})), CopiedFiles{});
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    const auto part = decode_copied_files(std::string_view(bytes).substr(0, cut));
    EXPECT_TRUE(!part || part->size() < files.size()) << cut;
  }
  EXPECT_FALSE(decode_copied_files("\2"));
}

TEST(CopyJournal, OnAnEarlierResultOnlyWhatIsTheSameIsKept) {
  CopyJournal journal(CopiedFiles{{"same", state(1)},
                                  {"changed", state(2)},
                                  {"linked", FileState{}},
                                  {"gone", state(4)},
                                  {"gone too/deep", state(5)}});
  EXPECT_TRUE(journal.keeps("same", state(1)));
  EXPECT_FALSE(journal.keeps("changed", state(3)));
  EXPECT_FALSE(journal.keeps("linked", FileState{}));
  EXPECT_FALSE(journal.keeps("new", state(6)));
  EXPECT_TRUE(journal.has_left_over());
  EXPECT_EQ(journal.count_kept(), 1U);
  EXPECT_EQ(journal.count_made(), 3U);
}

TEST(CopyJournal, APathThatIsNamedTwiceIsTheEarlierResultsOnce) {
  CopyJournal journal(CopiedFiles{{"a", state(2)}});
  EXPECT_FALSE(journal.keeps("a", state(1)));
  EXPECT_FALSE(journal.keeps("a", state(2)));  // the first has been put in its place
}

TEST(CopyJournal, WhatGetsASecondNameIsMadeAnewNextTime) {
  CopyJournal journal;
  EXPECT_FALSE(journal.keeps("a", state(1)));
  EXPECT_FALSE(journal.keeps("b", state(1)));
  journal.make_anew_next_time("a");
  EXPECT_EQ(journal.noted().at("a"), FileState{});
  EXPECT_EQ(journal.noted().at("b"), state(1));
  EXPECT_FALSE(journal.has_left_over());
}

}  // namespace
}  // namespace kiln::ops
