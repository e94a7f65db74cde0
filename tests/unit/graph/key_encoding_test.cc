#include "builder/graph/key_encoding.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace kiln::graph {
namespace {

Digest key(const Op& op, const Platform& platform = {"linux", "amd64", "", ""}) {
  return hash_parts(key_parts(Vertex{op, {}, platform, "", {}, false}));
}

ExecOp exec() {
  ExecOp op;
  op.args = {"/bin/sh", "-c", "make"};
  op.env = {"PATH=/bin", "A=b"};
  op.mounts = {BindMount{1, "/", "/mnt", false}, TmpfsMount{"/tmp", 0}};
  return op;
}

CopyAction copy() {
  CopyAction action;
  action.input = 1;
  action.sources = {"a", "b"};
  action.destination = "/x/";
  return action;
}

template <class T, class Change>
T changed(T value, Change change) {
  change(value);
  return value;
}

TEST(KeyEncoding, CountsEveryFieldOfARun) {
  const auto with = [](auto change) { return key(changed(exec(), change)); };
  const std::set<Digest> keys = {
      key(exec()),
      with([](ExecOp& op) { op.args.pop_back(); }),
      with([](ExecOp& op) { op.args = {"/bin/sh -c", "make"}; }),
      with([](ExecOp& op) { op.env[1] = "A=c"; }),
      with([](ExecOp& op) { op.env.pop_back(); }),
      with([](ExecOp& op) { op.working_dir = "/app"; }),
      with([](ExecOp& op) { op.user = "1"; }),
      with([](ExecOp& op) { op.network = Network::none; }),
      with([](ExecOp& op) { op.insecure = true; }),
      with([](ExecOp& op) { op.mounts.pop_back(); }),
      with([](ExecOp& op) { std::get<BindMount>(op.mounts[0]).writable = true; }),
      with([](ExecOp& op) { std::get<TmpfsMount>(op.mounts[1]).size_bytes = 1; }),
      with([](ExecOp& op) { op.hostname = "h"; }),
      key(exec(), {"linux", "arm64", "", ""}),
  };
  EXPECT_EQ(keys.size(), 14U);
}

TEST(KeyEncoding, LeavesOutWhatMustNotCount) {
  const ExecOp other = changed(exec(), [](ExecOp& op) {
    op.proxy_env = {"http_proxy=x"};
    op.add_hosts = {"a:1.2.3.4"};
    op.ulimits = {{"nofile", 1, 2}};
    op.shm_size_bytes = 5;
  });
  EXPECT_EQ(key(exec()), key(other));
}

TEST(KeyEncoding, CountsEveryFieldOfAFileOp) {
  const auto with = [](auto change) { return key(FileOp{{changed(copy(), change)}, 0}); };
  const std::set<Digest> keys = {
      key(FileOp{{copy()}, 0}),
      key(FileOp{{copy()}, 1}),
      key(FileOp{{copy(), copy()}, 0}),
      key(FileOp{}),
      with([](CopyAction& a) { a.input = 2; }),
      with([](CopyAction& a) { a.sources = {"a b"}; }),
      with([](CopyAction& a) { a.exclude = {"c"}; }),
      with([](CopyAction& a) { a.destination = "/x"; }),
      with([](CopyAction& a) { a.owner = ""; }),
      with([](CopyAction& a) { a.owner = "0:0"; }),
      with([](CopyAction& a) { a.mode = "0644"; }),
      with([](CopyAction& a) { a.unpack_archives = true; }),
      with([](CopyAction& a) { a.keep_parents = true; }),
      key(FileOp{{MkdirAction{"/x", 0755, {}}}, 0}),
      key(FileOp{{MkdirAction{"/x", 0700, {}}}, 0}),
      key(FileOp{{MkdirAction{"/x", 0755, "1"}}, 0}),
      key(FileOp{{MkfileAction{"/x", "content", 0644, {}, "", 0755}}, 0}),
      key(FileOp{{MkfileAction{"/x", "content", 0644, {}, "n", 0755}}, 0}),
      key(FileOp{{MkfileAction{"/x", "content", 0644, {}, "", 0700}}, 0}),
      key(FileOp{{MkfileAction{"/x", "other", 0644, {}, "", 0755}}, 0}),
      key(FileOp{{RemoveAction{"/x"}}, 0}),
      key(FileOp{{SymlinkAction{"/x", "/y"}}, 0}),
      key(MergeOp{}),
      key(DiffOp{}),
  };
  EXPECT_EQ(keys.size(), 24U);
}

TEST(KeyEncoding, CountsAnImageByItsManifest) {
  const Platform amd64{"linux", "amd64", "", ""};
  const auto image = [&](std::string_view reference, std::string_view content, Platform platform) {
    return key(SourceOp{ImageSource{Reference::parse(reference), sha256(content), platform}});
  };
  EXPECT_EQ(image("a:1", "m", amd64), image("b:2", "m", amd64));
  EXPECT_NE(image("a:1", "m", amd64), image("a:1", "n", amd64));
  EXPECT_NE(image("a:1", "m", amd64), image("a:1", "m", {"linux", "arm64", "", ""}));
}

TEST(KeyEncoding, LeavesTheChoiceOfLocalFilesToTheirContent) {
  EXPECT_EQ(
      key(SourceOp{LocalSource{"context", {"a"}, {"b"}, {"c"}, true, true}}),
      key(SourceOp{LocalSource{"other", {}, {}, {}, false, false}}, {"linux", "arm64", "", ""}));
}

TEST(KeyEncoding, NeverEncodesTwoListsAlike) {
  EXPECT_NE(hash_parts({{"a", "bc"}}), hash_parts({{"ab", "c"}}));
  EXPECT_NE(hash_parts({{"a", ""}, {"b", ""}}), hash_parts({{"a", "b"}}));
  EXPECT_NE(hash_parts({}), hash_parts({{"", ""}}));
}

TEST(KeyEncoding, NamesPartsForPeople) {
  const std::vector<KeyPart> parts = key_parts(Vertex{exec(), {}, {}, "", {}, false});
  EXPECT_NE(std::ranges::find(parts, KeyPart{"env A", "b"}), parts.end());
  EXPECT_NE(std::ranges::find(parts, KeyPart{"arg 2", "make"}), parts.end());
}

}  // namespace
}  // namespace kiln::graph
