#include "tests/unit/dockerfile/build_support.h"

namespace kiln::dockerfile {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

const std::vector<graph::FileAction>& actions(const Lowered& lowered) {
  return last_op<graph::FileOp>(lowered).actions;
}

const graph::CopyAction& copy_at(const Lowered& lowered, std::size_t index) {
  return std::get<graph::CopyAction>(actions(lowered).at(index));
}

const graph::Vertex& input(const Lowered& lowered, std::size_t index) {
  return lowered.graph[lowered.graph[lowered.target].inputs.at(index)];
}

TEST(Add, OfAUrlCopiesTheFileOfItsName) {
  const Lowered lowered =
      lower_text("FROM scratch\nARG V=1\nADD --chmod=600 https://x.org/a%20b-$V.tar?q=1 /d/\n");
  const graph::HttpSource* source = graph::http_source(input(lowered, 1));
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->url, "https://x.org/a%20b-1.tar?q=1");
  EXPECT_EQ(source->file_name, "a b-1.tar");
  EXPECT_THAT(copy_at(lowered, 0).sources, ElementsAre("a b-1.tar"));
  EXPECT_FALSE(copy_at(lowered, 0).unpack_archives);
  EXPECT_EQ(history_of(lowered).back(),
            "ADD --chmod=600 https://x.org/a%20b-1.tar?q=1 /d/ # buildkit");
  EXPECT_EQ(input(lowered, 1).name, lowered.graph[lowered.target].name);
}

TEST(Add, OfAUrlMayHaveANameThatLooksLikeAPattern) {
  EXPECT_THAT(copy_at(lower_text("FROM scratch\nADD https://x.org/a*[1] /d/\n"), 0).sources,
              ElementsAre("a??1]"));
}

TEST(Add, OfAUrlWithoutANameHasOne) {
  const Lowered lowered = lower_text("FROM scratch\nADD https://x.org /d/\n");
  EXPECT_EQ(graph::http_source(input(lowered, 1))->file_name, "__unnamed__");
}

TEST(Add, UnpacksAUrlOnlyOnDemandAndARepositoryNever) {
  const Lowered lowered = lower_text(
      "FROM scratch\nADD --unpack=true https://x.org/a.tar https://x.org/a.git b.tar /d/\n");
  EXPECT_TRUE(copy_at(lowered, 0).unpack_archives);
  EXPECT_FALSE(copy_at(lowered, 1).unpack_archives);
  EXPECT_TRUE(copy_at(lowered, 2).unpack_archives);
}

TEST(Add, KeepsTheOrderOfItsSources) {
  const Lowered lowered =
      lower_text("FROM scratch\nADD a b https://x.org/c d https://x.org/e /d/\n");
  ASSERT_THAT(actions(lowered), SizeIs(4));
  EXPECT_THAT(copy_at(lowered, 0).sources, ElementsAre("a", "b"));
  EXPECT_THAT(copy_at(lowered, 1).sources, ElementsAre("c"));
  EXPECT_THAT(copy_at(lowered, 2).sources, ElementsAre("d"));
  EXPECT_THAT(copy_at(lowered, 3).sources, ElementsAre("e"));
  EXPECT_EQ(copy_at(lowered, 3).input, 4U);
}

TEST(Add, OfARepositoryTakesItsTree) {
  const Lowered lowered = lower_text(
      "FROM scratch\nADD --keep-git-dir=true https://x.org/a.git?submodules=0#v1:sub /d\n");
  const graph::GitSource* source = graph::git_source(input(lowered, 1));
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->remote, "https://x.org/a.git");
  EXPECT_EQ(source->ref, "v1");
  EXPECT_EQ(source->subdir, "sub");
  EXPECT_TRUE(source->keep_git_dir);
  EXPECT_TRUE(source->skip_submodules);
  EXPECT_THAT(copy_at(lowered, 0).sources, ElementsAre("."));
}

TEST(Add, VerifiesWhatTheChecksumSays) {
  const std::string digest = "sha256:" + std::string(64, 'a');
  const Lowered file =
      lower_text("FROM scratch\nARG D=" + digest + "\nADD --checksum=$D http://x/a /\n");
  EXPECT_EQ(graph::http_source(input(file, 1))->checksum, digest);
  const Lowered tree = lower_text("FROM scratch\nADD --checksum=abc http://x/a.git /\n");
  EXPECT_EQ(graph::git_source(input(tree, 1))->checksum, "abc");
}

TEST(Add, RefusesAChecksumThatCannotBe) {
  const auto error = [](const std::string& rest) {
    return error_text("FROM scratch\nADD --checksum=" + rest + " /d/\n");
  };
  const std::string digest = "sha256:" + std::string(64, 'a');
  EXPECT_THAT(error(digest + " http://x/a http://x/b"),
              HasSubstr("Dockerfile:2:5: checksum can't be specified for multiple sources"));
  EXPECT_THAT(error(digest + " a"), HasSubstr("checksum requires HTTP(S) or Git sources"));
  EXPECT_THAT(error("abc http://x/a"), HasSubstr("invalid checksum digest format"));
  EXPECT_THAT(error("sha256:ab http://x/a"), HasSubstr("invalid checksum digest length"));
  EXPECT_THAT(error("md5:ab http://x/a"), HasSubstr("unsupported digest algorithm"));
  EXPECT_THAT(error("xyz http://x/a.git"), HasSubstr("expected hex commit hash"));
  EXPECT_THAT(error("abc http://x/a.git?checksum=def"),
              HasSubstr("checksum mismatch \"abc\" != \"def\""));
}

TEST(Add, RefusesAUrlThatContradictsAFlag) {
  EXPECT_THAT(error_text("FROM scratch\nADD --keep-git-dir=false http://x/a.git?keep-git-dir /d\n"),
              HasSubstr("inconsistent keep-git-dir configuration"));
  EXPECT_THAT(error_text("FROM scratch\nADD http://x/a.git?what=1 /d\n"),
              HasSubstr("Dockerfile:2:5: unexpected query \"what\""));
}

TEST(Copy, OfTheNetworkIsRefused) {
  EXPECT_THAT(error_text("FROM scratch\nCOPY https://x.org/a /b\n"),
              HasSubstr("Dockerfile:2:6: source can't be a URL for COPY"));
  EXPECT_THAT(error_text("FROM scratch\nCOPY git@x.org:a /b\n"),
              HasSubstr("Dockerfile:2:6: source can't be a git ref for COPY"));
}

}  // namespace
}  // namespace kiln::dockerfile
