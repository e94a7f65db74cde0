#include "builder/dockerfile/expand.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "builder/dockerfile/mistake.h"

namespace kiln::dockerfile {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Environment variables() {
  Environment environment;
  environment.set("A", "abc");
  environment.set("EMPTY", "");
  environment.set("PATHS", "/usr/lib:/usr/bin:/bin");
  environment.set("FILE", "dir/name.tar.gz");
  environment.set("SPACED", "a b  c");
  environment.set("KO", "한글");
  environment.set("STAR", "a*b*c");
  environment.set("1", "one");
  return environment;
}

std::string text_of(std::string_view word, const ExpandMode& mode = {}) {
  return expand(word, variables(), mode).text;
}

struct Case {
  std::string_view word;
  std::string_view result;
};

TEST(Expand, ReplacesEveryForm) {
  const Case cases[] = {
      {"hello", "hello"},
      {"$A", "abc"},
      {"${A}", "abc"},
      {"x${A}y", "xabcy"},
      {"$A.$A", "abc.abc"},
      {"$UNSET", ""},
      {"${UNSET}", ""},
      {"$", "$"},
      {"a$", "a$"},
      {"$.", "$."},
      {"$1x", "onex"},
      {"$12", ""},
      {"$@x", "x"},
      {"${UNSET:-w}", "w"},
      {"${UNSET-w}", "w"},
      {"${EMPTY:-w}", "w"},
      {"${EMPTY-w}", ""},
      {"${A:-w}", "abc"},
      {"${UNSET:+w}", ""},
      {"${UNSET+w}", ""},
      {"${EMPTY:+w}", ""},
      {"${EMPTY+w}", "w"},
      {"${A:+w}", "w"},
      {"${A:?no}", "abc"},
      {"${EMPTY?no}", ""},
      {"${UNSET:-${A}}", "abc"},
      {"${UNSET:-${EMPTY:-deep}}", "deep"},
      {"${UNSET:-'$A'}", "$A"},
      {"${UNSET:-\"$A\"}", "abc"},
      {"${UNSET:-}", ""},
      {"${PATHS#*:}", "/usr/bin:/bin"},
      {"${PATHS##*:}", "/bin"},
      {"${PATHS%:*}", "/usr/lib:/usr/bin"},
      {"${PATHS%%:*}", "/usr/lib"},
      {"${FILE%.*}", "dir/name.tar"},
      {"${FILE%%.*}", "dir/name"},
      {"${FILE##*/}", "name.tar.gz"},
      {"${FILE#nothing}", "dir/name.tar.gz"},
      {"${FILE#?ir}", "/name.tar.gz"},
      {"${KO#?}", "글"},
      {"${KO%?}", "한"},
      {"${STAR#a\\*}", "b*c"},
      {"${STAR%\\**}", "a*b"},
      {"${STAR%%\\**}", "a"},
      {"${A##*}", ""},
      {"${A#*}", "abc"},
      {"${FILE/name/NAME}", "dir/NAME.tar.gz"},
      {"${PATHS/usr/U}", "/U/lib:/usr/bin:/bin"},
      {"${PATHS//usr/U}", "/U/lib:/U/bin:/bin"},
      {"${PATHS//\\//_}", "_usr_lib:_usr_bin:_bin"},
      {"${FILE/.*/}", "dir/name"},
      {"${A/*/x}", "x"},
      {"${A//?/x}", "xxx"},
      {"${A/b/$A}", "aabcc"},
      {"${UNSET/a/b}", ""},
  };
  for (const Case& c : cases)
    EXPECT_EQ(text_of(c.word), c.result) << c.word;
}

TEST(Expand, KnowsQuotesAndEscapes) {
  const Case cases[] = {
      {"'$A'", "$A"},       {"\"$A\"", "abc"},    {"\\$A", "$A"},       {"\\\\$A", "\\abc"},
      {"\"\\$A\"", "$A"},   {"\"\\a\"", "\\a"},   {"\"\\\"\"", "\""},   {"'\\'", "\\"},
      {"he'll'o", "hello"}, {"\"it's\"", "it's"}, {"a\\ b", "a b"},     {"\"a b\"", "a b"},
      {"\\", ""},           {"\"\\\\\"", "\\"},   {"'a'\"b\"c", "abc"},
  };
  for (const Case& c : cases)
    EXPECT_EQ(text_of(c.word), c.result) << c.word;
}

TEST(Expand, UsesTheEscapeCharacterOfTheDirective) {
  EXPECT_EQ(text_of("`$A\\x", {.escape = '`'}), "$A\\x");
  EXPECT_EQ(text_of("\"`\"`a\"", {.escape = '`'}), "\"`a");
}

TEST(Expand, RejectsBadSubstitutions) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"${", "missing '}'"},
      {"${A", "missing '}'"},
      {"${}", "bad substitution"},
      {"${:}", "bad substitution"},
      {"${{A}}", "bad substitution"},
      {"${A:", "missing '}'"},
      {"${A:-x", "missing '}'"},
      {"${A;b}", "unsupported modifier (;)"},
      {"${A:x}", "unsupported modifier (:x)"},
      {"${A:#x}", "unsupported modifier (:#)"},
      {"${A:%x}", "unsupported modifier (:%)"},
      {"${A/x}", "missing '/' in ${}"},
      {"${A/x/y", "missing '}'"},
      {"${A#\\x}", "invalid escape '\\x'"},
      {"${UNSET?}", "UNSET: is not allowed to be unset"},
      {"${EMPTY:?}", "EMPTY: is not allowed to be empty"},
      {"${UNSET:?give it}", "UNSET: give it"},
      {"'x", "single-quote"},
      {"\"x", "double-quote"},
  };
  for (const auto& [word, why] : cases) {
    try {
      (void)text_of(word);
      ADD_FAILURE() << word << " was accepted";
    } catch (const Mistake& mistake) {
      EXPECT_THAT(mistake.message(), HasSubstr(why)) << word;
      EXPECT_THAT(mistake.message(), HasSubstr("failed to process \"" + std::string(word) + "\""));
    }
  }
}

TEST(Expand, RejectsBottomlessNesting) {
  std::string word;
  for (int i = 0; i < 10'000; ++i)
    word += "${U:-";
  EXPECT_THROW((void)text_of(word), Mistake);
}

TEST(Expand, SplitsOnlyAtUnquotedBlanks) {
  EXPECT_THAT(expand("$SPACED 'x y' z\\ z", variables()).words,
              ElementsAre("a", "b", "c", "x y", "z z"));
  EXPECT_THAT(expand("\"$SPACED\"", variables()).words, ElementsAre("a b  c"));
  EXPECT_THAT(expand("  ", variables()).words, IsEmpty());
}

TEST(Expand, TellsWhichVariablesItUsed) {
  const Expansion result = expand("$A $A ${UNSET} ${U2:-x}", variables());
  EXPECT_THAT(result.used, ElementsAre("A"));
  EXPECT_THAT(result.undefined, ElementsAre("UNSET", "U2"));
}

TEST(Expand, KeepsWhatItIsAskedToKeep) {
  EXPECT_EQ(text_of("$UNSET ${UNSET:-x} ${UNSET/a/b} $A", {.keep_unset = true}),
            "$UNSET ${UNSET:-x} ${UNSET/a/b} abc");
  EXPECT_EQ(text_of("'a' \"$A\"", {.keep_quotes = true}), "'a' \"abc\"");
  EXPECT_EQ(text_of("a\\ b", {.keep_escapes = true}), "a\\ b");
  EXPECT_EQ(text_of("it's \"$A\"", {.plain_quotes = true}), "it's \"abc\"");
}

TEST(Expand, KeepsBytesThatAreNoText) {
  Environment environment;
  environment.set("B",
                  "a\xFF"
                  "b");
  EXPECT_EQ(expand("\xFE$B", environment).text,
            "\xFE"
            "a\xFF"
            "b");
  EXPECT_EQ(expand("${B%b}", environment).text, "a\xFF");
}

}  // namespace
}  // namespace kiln::dockerfile
