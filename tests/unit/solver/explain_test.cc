#include "builder/solver/explain.h"

#include <gmock/gmock.h>

#include "builder/solver/cache_key.h"

namespace kiln::solver {
namespace {

using graph::KeyPart;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

MATCHER_P5(IsDifference, kind, name, change, before, after, "") {
  return arg.kind == kind && arg.name == name && arg.change == change && arg.before == before &&
         arg.after == after;
}

struct Step {
  std::vector<KeyPart> own;
  std::vector<DescribedInput> inputs;
  std::vector<std::string> lists;

  [[nodiscard]] std::vector<KeyPart> parts() const {
    std::vector<KeyPart> key = own;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      std::string digest = inputs[i].name;
      for (const KeyPart& part : inputs[i].parts)
        digest += part.value;
      key.push_back({fmt::format("input {}", i), digest});
    }
    return parts_with_inputs(std::move(key), inputs, lists);
  }
};

store::RecordRow record(const std::string& name, const Step& step) {
  return {"key", {}, name, parts_to_json(step.parts()), 1, 1};
}

Explanation explain(const Step& before, const Step& after) {
  return explain_miss(title_of("[2/2] RUN x"), after.parts(), after.inputs,
                      {record("[2/2] RUN x", before)})
      .value();
}

Step run(std::vector<KeyPart> parts) {
  return {std::move(parts), {}, {}};
}

TEST(Explain, AnArgumentIsNamedWithBothValues) {
  EXPECT_THAT(explain(run({{"env V", "1"}}), run({{"env V", "2"}})).differences,
              ElementsAre(IsDifference(DifferenceKind::variable, "V", "", "1", "2")));
  EXPECT_THAT(explain(run({}), run({{"env V", "2"}})).differences,
              ElementsAre(IsDifference(DifferenceKind::variable, "V", "added", "", "2")));
  EXPECT_THAT(explain(run({{"env V", "1"}}), run({})).differences,
              ElementsAre(IsDifference(DifferenceKind::variable, "V", "removed", "1", "")));
}

TEST(Explain, AValueThatMayBeSecretIsNotTold) {
  EXPECT_THAT(explain(run({{"env NPM_TOKEN", "a"}}), run({{"env NPM_TOKEN", "b"}})).differences,
              ElementsAre(IsDifference(DifferenceKind::variable, "NPM_TOKEN", "", "", "")));
}

TEST(Explain, OfAShellCommandOnlyTheCommandIsTold) {
  const Step before = run({{"arg 0", "/bin/sh"}, {"arg 1", "-c"}, {"arg 2", "make"}});
  EXPECT_THAT(explain(before, run({{"arg 0", "/bin/sh"}, {"arg 1", "-c"}, {"arg 2", "make all"}}))
                  .differences,
              ElementsAre(IsDifference(DifferenceKind::command, "", "", "make", "make all")));
  EXPECT_THAT(
      explain(before, run({{"arg 0", "/bin/true"}})).differences,
      ElementsAre(IsDifference(DifferenceKind::command, "", "", "/bin/sh -c make", "/bin/true")));
}

TEST(Explain, ABaseImageIsNamedWithBothDigests) {
  const auto from = [](const std::string& manifest) {
    return Step{{},
                {{0,
                  "[1/2] FROM docker.io/library/a:1@" + manifest,
                  {{"op", "image"}, {"manifest", manifest}},
                  false}},
                {}};
  };
  EXPECT_THAT(explain(from("sha256:111111111111aaaa"), from("sha256:222222222222bbbb")).differences,
              ElementsAre(IsDifference(DifferenceKind::image, "docker.io/library/a:1", "",
                                       "sha256:111111111111", "sha256:222222222222")));
}

TEST(Explain, TheStepBeforeIsNamedAndWhetherItRan) {
  const auto after = [](const std::string& name, bool ran) {
    return Step{{}, {{0, name, {}, ran}}, {}};
  };
  EXPECT_THAT(explain(after("[1/2] RUN a", false), after("[1/2] RUN b", true)).differences,
              ElementsAre(IsDifference(DifferenceKind::step, "[1/2] RUN b", "rebuilt", "", "")));
  EXPECT_THAT(explain(after("[1/2] RUN a", false), after("[1/2] RUN b", false)).differences,
              ElementsAre(IsDifference(DifferenceKind::step, "[1/2] RUN b", "changed", "", "")));
}

TEST(Explain, FilesAreComparedWithTheListOfTheRecord) {
  const auto copy = [](const std::string& digest, const std::string& list) {
    return Step{{}, {{7, "context", {{"op", "local"}, {"source .", digest}}, false}}, {list}};
  };
  const Explanation found = explain(copy("d1", "list1"), copy("d2", ""));
  EXPECT_THAT(found.differences, IsEmpty());
  ASSERT_THAT(found.files, SizeIs(1));
  EXPECT_EQ(found.files[0].source, 7U);
  EXPECT_EQ(found.files[0].earlier_list, "list1");
  EXPECT_THAT(found.files[0].otherwise,
              ElementsAre(IsDifference(DifferenceKind::source, ".", "", "d1", "d2")));
  EXPECT_THAT(explain(copy("d1", ""), copy("d2", "")).differences,
              ElementsAre(IsDifference(DifferenceKind::source, ".", "", "d1", "d2")))
      << "without a list there are the digests";
}

TEST(Explain, OptionsHaveTheirFlagsNames) {
  EXPECT_THAT(explain(run({{"action 0 mode", ""}}), run({{"action 0 mode", "755"}})).differences,
              ElementsAre(IsDifference(DifferenceKind::setting, "--chmod", "", "", "755")));
}

TEST(Explain, TheNearestRecordIsTheOneThatDiffersLeast) {
  const Step far = run({{"env A", "1"}, {"env B", "1"}});
  const Step near = run({{"env A", "2"}, {"env B", "1"}});
  const Step now = run({{"env A", "2"}, {"env B", "2"}});
  const auto found = explain_miss(title_of("[2/2] RUN x"), now.parts(), {},
                                  {record("[2/2] RUN x", far), record("[2/3] RUN x", near)});
  EXPECT_THAT(found->differences,
              ElementsAre(IsDifference(DifferenceKind::variable, "B", "", "1", "2")));
}

TEST(Explain, ARecordOfTheSameStepIsNearerThanOneOfTheSamePlace) {
  const Step same_step = run({{"env A", "1"}, {"env B", "1"}});
  const Step same_place = run({{"env A", "2"}, {"env B", "1"}});
  const Step now = run({{"env A", "2"}, {"env B", "2"}});
  const auto found =
      explain_miss(title_of("[2/2] RUN x"), now.parts(), {},
                   {record("[2/2] RUN other", same_place), record("[2/9] RUN x", same_step)});
  EXPECT_THAT(found->differences, SizeIs(2));
}

TEST(Explain, WithoutAnyRecordThereIsNothingToTell) {
  EXPECT_FALSE(explain_miss(title_of("[2/2] RUN x"), {}, {}, {}));
}

TEST(Explain, AStepsTitleIsWhatStandsBehindItsPlace) {
  EXPECT_EQ(title_of("[build 2/5] RUN make").title, "RUN make");
  EXPECT_EQ(title_of("[build 2/5] RUN make").prefix, "[build 2/");
  EXPECT_EQ(title_of("[linux/amd64 2/5] RUN a/b").prefix, "[linux/amd64 2/");
  EXPECT_EQ(title_of("RUN make").title, "RUN make");
}

TEST(Explain, PartsThatCannotBeReadAreNone) {
  EXPECT_THAT(parts_from_json("not json"), IsEmpty());
  EXPECT_THAT(parts_from_json(R"([["a"],["b",1],["c","d"]])"), SizeIs(1));
}

}  // namespace
}  // namespace kiln::solver
