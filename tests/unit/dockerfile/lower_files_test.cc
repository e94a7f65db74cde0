#include "tests/unit/dockerfile/build_support.h"

namespace kiln::dockerfile {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const graph::CopyAction& copied(const Lowered& lowered) {
  return std::get<graph::CopyAction>(last_op<graph::FileOp>(lowered).actions.at(0));
}

const graph::LocalSource& source_of(const Lowered& lowered) {
  const graph::Vertex& step = lowered.graph[lowered.target];
  return *graph::local_source(lowered.graph[step.inputs.at(1)]);
}

TEST(Copy, TakesFilesOfTheContext) {
  LowerOptions options = test_options();
  options.context_ignore = {"*.md"};
  const Lowered lowered =
      lower_text("FROM scratch\nWORKDIR /app\nCOPY a ./b/ ../../c* dst\n", options);
  const graph::CopyAction& action = copied(lowered);
  EXPECT_EQ(action.input, 1U);
  EXPECT_THAT(action.sources, ElementsAre("a", "b", "c*"));
  EXPECT_EQ(action.destination, "/app/dst");
  EXPECT_FALSE(action.unpack_archives);
  EXPECT_EQ(action.owner, std::nullopt);
  EXPECT_EQ(source_of(lowered).name, "context");
  EXPECT_THAT(source_of(lowered).include, ElementsAre("a", "b", "c*"));
  EXPECT_THAT(source_of(lowered).exclude, ElementsAre("*.md"));
  EXPECT_EQ(history_of(lowered).back(), "COPY a ./b/ ../../c* dst # buildkit");
  EXPECT_FALSE(lowered.history.back().entry.empty_layer);
  EXPECT_EQ(lowered.history.back().vertex, lowered.target);
}

TEST(Copy, TakesTheWholeContext) {
  const Lowered lowered = lower_text("FROM scratch\nCOPY . /x\n");
  EXPECT_THAT(source_of(lowered).include, ElementsAre("."));
  EXPECT_THAT(copied(lowered).sources, ElementsAre("."));
  EXPECT_EQ(copied(lowered).destination, "/x");
}

TEST(Copy, FindsItsDestination) {
  const auto destination = [](const std::string& text) {
    return copied(lower_text("FROM scratch\nWORKDIR /w\nENV D=/env\nCOPY a " + text + "\n"))
        .destination;
  };
  EXPECT_EQ(destination("."), "/w/");
  EXPECT_EQ(destination("b"), "/w/b");
  EXPECT_EQ(destination("b/"), "/w/b/");
  EXPECT_EQ(destination("./b/."), "/w/b/");
  EXPECT_EQ(destination("/b/../c"), "/c");
  EXPECT_EQ(destination("$D/x"), "/env/x");
  EXPECT_EQ(destination("/"), "/");
  EXPECT_EQ(destination("../../.."), "/");
}

TEST(Copy, CarriesItsFlags) {
  const Lowered lowered = lower_text(
      "FROM scratch\nARG U=7\nCOPY --chown=$U:8 --chmod=u+x --link --exclude=*.o --exclude=x a "
      "b\n");
  const graph::CopyAction& action = copied(lowered);
  EXPECT_EQ(action.owner, "7:8");
  EXPECT_EQ(action.mode, "u+x");
  EXPECT_THAT(action.exclude, ElementsAre("*.o", "x"));
  EXPECT_THAT(source_of(lowered).source_exclude, ElementsAre("*.o", "x"));
  EXPECT_EQ(history_of(lowered).back(), "COPY --chown=7:8 --chmod=u+x a b # buildkit");
  EXPECT_THAT(error_text("FROM scratch\nCOPY --chmod=9 a b\n"),
              HasSubstr("Dockerfile:2:6: invalid chmod parameter: '9'"));
}

TEST(Copy, LinkIsALayerOfItsOwn) {
  const Lowered lowered = lower_text("FROM base\nCOPY --link a b\n");
  const graph::Vertex& merge = lowered.graph[lowered.target];
  ASSERT_TRUE(std::holds_alternative<graph::MergeOp>(merge.op));
  EXPECT_EQ(merge.name, "");
  const graph::Vertex& copy = lowered.graph[merge.inputs.at(1)];
  EXPECT_TRUE(graph::is_scratch(lowered.graph[copy.inputs.at(0)]));
  EXPECT_EQ(std::get<graph::FileOp>(copy.op).made_time, 0);
  EXPECT_EQ(copy.name, "[2/2] COPY --link a b");
  EXPECT_EQ(history_of(lowered).back(), "COPY a b # buildkit");
}

TEST(Copy, ALinkedLayerWithAModeLeavesDirectoriesOnTheWayAsTheyUsuallyAre) {
  const Lowered lowered = lower_text("FROM base\nCOPY --link --chmod=600 a b/c\n");
  const graph::Vertex& merge = lowered.graph[lowered.target];
  ASSERT_TRUE(std::holds_alternative<graph::MergeOp>(merge.op));
  const auto& copy = std::get<graph::FileOp>(lowered.graph[merge.inputs.at(1)].op);
  const auto& action = std::get<graph::CopyAction>(copy.actions.at(0));
  EXPECT_EQ(action.mode, "600");
  EXPECT_EQ(action.made_directory_mode, 0755U);
}

TEST(Copy, AModeWithAnOwnersNameIsAnOrdinaryCopy) {
  const Lowered lowered = lower_text("FROM base\nCOPY --link --chmod=600 --chown=app a b\n");
  EXPECT_TRUE(std::holds_alternative<graph::FileOp>(lowered.graph[lowered.target].op));
}

TEST(Copy, NamesOfOwnersNeedAnImage) {
  EXPECT_THAT(error_text("FROM base\nCOPY --link --chown=app a b\n"),
              HasSubstr("with --link the layer is made without the base image"));
  EXPECT_THAT(error_text("FROM base\nCOPY --link --chown=1:app a b\n"),
              HasSubstr("Dockerfile:2:13"));
  EXPECT_THAT(error_text("FROM scratch\nCOPY --chown=app a b\n"), HasSubstr("still empty"));
  EXPECT_EQ(error_text("FROM base\nCOPY --link --chown=root:0 a b\n"), "");
  EXPECT_EQ(error_text("FROM base\nCOPY --link --chmod=755 --chown=app a b\n"), "");
  EXPECT_EQ(error_text("FROM base\nCOPY --chown=app a b\n"), "");
}

TEST(Copy, KeepsParentsFromAPivotOn) {
  const auto source = [](const std::string& text) {
    return copied(lower_text("FROM scratch\nCOPY --parents " + text + " /x\n")).sources.at(0);
  };
  EXPECT_EQ(source("a/b"), "/./a/b");
  EXPECT_EQ(source("./a/b/."), "/./a/b");
  EXPECT_EQ(source("/a/./b/./c"), "a/./b/c");
  EXPECT_EQ(source("a/*/./**/c.h"), "a/*/./**/c.h");
  EXPECT_EQ(source("../a/./../c"), "a/./c");
  EXPECT_EQ(source("."), "/./");
  const Lowered lowered = lower_text("FROM scratch\nCOPY --parents a/b /x\n");
  EXPECT_TRUE(source_of(lowered).keep_parents);
  EXPECT_EQ(history_of(lowered).back(), "COPY --parents a/b /x # buildkit");
}

TEST(Copy, KeepsJsonWordsWhole) {
  EXPECT_THAT(copied(lower_text("FROM scratch\nCOPY [\"a b\", \"/c d/\"]\n")).sources,
              ElementsAre("a b"));
}

TEST(Add, UnpacksLocalArchives) {
  EXPECT_TRUE(copied(lower_text("FROM scratch\nADD a.tar /\n")).unpack_archives);
  EXPECT_FALSE(copied(lower_text("FROM scratch\nADD --unpack=false a.tar /\n")).unpack_archives);
  EXPECT_EQ(history_of(lower_text("FROM scratch\nADD a.tar /\n")).back(), "ADD a.tar / # buildkit");
  EXPECT_THAT(error_text("FROM scratch\nADD --checksum=sha256:1 a /\n"),
              HasSubstr("checksum requires HTTP(S) or Git sources"));
}

TEST(Copy, WritesHeredocs) {
  const Lowered lowered = lower_text(
      "FROM scratch\nENV W=world\nCOPY --chmod=755 --chown=1:2 <<a.sh <<'b.txt' /d/\n"
      "echo \"$W\" it's\na.sh\n$W\nb.txt\n");
  const auto& actions = last_op<graph::FileOp>(lowered).actions;
  ASSERT_THAT(actions, SizeIs(2));
  const auto& first = std::get<graph::MkfileAction>(actions[0]);
  EXPECT_EQ(first.path, "/d/");
  EXPECT_EQ(first.name_in_directory, "a.sh");
  EXPECT_EQ(first.parent_mode, 0755U);
  EXPECT_EQ(first.content, "echo \"world\" it's\n");
  EXPECT_EQ(first.mode, 0755U);
  EXPECT_EQ(first.owner, "1:2");
  EXPECT_EQ(std::get<graph::MkfileAction>(actions[1]).content, "$W\n");
  EXPECT_THAT(lowered.graph[lowered.target].inputs, SizeIs(1));
  EXPECT_EQ(history_of(lowered).back(),
            "COPY --chown=1:2 --chmod=755 <<a.sh <<b.txt /d/ # buildkit");
}

TEST(Copy, NamesAHeredocForTheCaseThatItsDestinationIsADirectory) {
  const Lowered lowered = lower_text("FROM scratch\nCOPY <<x.conf /etc/x\nbody\nx.conf\n");
  const auto& action = std::get<graph::MkfileAction>(last_op<graph::FileOp>(lowered).actions.at(0));
  EXPECT_EQ(action.path, "/etc/x");
  EXPECT_EQ(action.name_in_directory, "x.conf");
  EXPECT_EQ(action.mode, 0644U);
}

TEST(Workdir, MakesADirectoryEachTime) {
  const Lowered lowered = lower_text(
      "FROM base\nUSER me\nENV D=sub\nWORKDIR /app\nWORKDIR $D\nWORKDIR /app/sub/\nWORKDIR /\n");
  EXPECT_THAT(history_of(lowered),
              ElementsAre("USER me", "ENV D=sub", "WORKDIR /app", "WORKDIR /app/sub",
                          "WORKDIR /app/sub/", "WORKDIR /"));
  EXPECT_THAT(names_of(lowered),
              ElementsAre(testing::StartsWith("[1/5] FROM docker.io/library/base:latest"),
                          "[2/5] WORKDIR /app", "[3/5] WORKDIR sub", "[4/5] WORKDIR /app/sub/"));
  const auto& action = std::get<graph::MkdirAction>(last_op<graph::FileOp>(lowered).actions.at(0));
  EXPECT_EQ(action.path, "/app/sub");
  EXPECT_EQ(action.owner, "me");
  EXPECT_EQ(lowered.config.config.working_dir, "/");
  EXPECT_TRUE(lowered.history.back().entry.empty_layer);
}

}  // namespace
}  // namespace kiln::dockerfile
