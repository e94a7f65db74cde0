#include "builder/store/store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include "proto/error.h"
#include "proto/oci.h"
#include "tests/unit/store/store_fixture.h"

namespace kiln::store {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(StoreTest, ANewRootIsTheBaseOfAnOciLayout) {
  open();
  EXPECT_EQ(os::read_file(root() / "oci-layout", 100), R"({"imageLayoutVersion":"1.0.0"})");
  const Digest digest = store().blobs().put("x");
  EXPECT_TRUE(std::filesystem::exists(root() / "blobs" / "sha256" / std::string(digest.hex())));
  EXPECT_THAT(store().notes(), IsEmpty());
}

TEST_F(StoreTest, SnapshotsAreNobodysButRoots) {
  open();
  struct stat status{};
  for (const char* name : {"snapshots", "tmp", "builds"}) {
    ASSERT_EQ(::stat((root() / name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0700U) << name;
  }
}

// Inodes that were freed within the last minutes make ext4 slow: see spread_subdirectories.
TEST_F(StoreTest, TreesBeginInDifferentGroupsOfInodesOnExt4) {
  open();
  struct statfs kind{};
  ASSERT_EQ(::statfs(root().c_str(), &kind), 0);
  if (kind.f_type != EXT4_SUPER_MAGIC) GTEST_SKIP() << "not ext4";
  if (kind.f_files < 1'000'000) GTEST_SKIP() << "too small to have many groups";
  std::vector<os::TempDir> made;
  std::set<ino_t> groups;
  for (int i = 0; i < 8; ++i) {
    struct stat status{};
    made.push_back(store().make_temp("tree"));
    ASSERT_EQ(::stat(made.back().path().c_str(), &status), 0);
    groups.insert(status.st_ino / 8192);  // mke2fs makes groups of about this
  }
  EXPECT_GT(groups.size(), 4U);
}

TEST_F(StoreTest, WhatWasStoredIsThereAfterReopening) {
  open();
  const LayerId layer = add_snapshot(store(), "layer");
  const Digest blob = store().blobs().put("blob");
  put_record(store(), "k", {layer});
  reopen();
  EXPECT_THAT(store().notes(), IsEmpty());
  EXPECT_TRUE(store().blobs().has(blob));
  EXPECT_TRUE(run([&](Tables& tables) { return tables.layer(layer); })->has_snapshot);
  EXPECT_THAT(run([](Tables& tables) { return tables.record("k"); })->layers, ElementsAre(layer));
  EXPECT_EQ(os::read_file(store().snapshot_path(layer) / "content", 100), "layer");
}

TEST_F(StoreTest, ASecondOpenerIsToldTheOwnersPid) {
  open();
  try {
    const Store second(root());
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::unavailable);
    EXPECT_THAT(error.what(), HasSubstr("process " + std::to_string(::getpid())));
    EXPECT_THAT(error.what(), HasSubstr(root().string()));
  }
}

TEST_F(StoreTest, LeftoversInTmpAreRemoved) {
  open();
  close();
  const auto work = root() / "tmp" / "overlay.abc" / "work" / "work";
  std::filesystem::create_directories(work / "deep");
  os::write_file(work / "deep" / "file", "x");
  ASSERT_EQ(::chmod(work.c_str(), 0), 0);
  os::write_file(root() / "tmp" / "blob.abc", "x");
  open();
  EXPECT_THAT(names_in(root() / "tmp"), IsEmpty());
}

TEST_F(StoreTest, ASnapshotThatNoLayerNamesIsRemoved) {
  open();
  const LayerId layer = add_snapshot(store(), "kept");
  close();
  std::filesystem::create_directories(root() / "snapshots" / "4711" / "x");
  open();
  EXPECT_THAT(names_in(root() / "snapshots"),
              ElementsAre(store().snapshot_path(layer).filename().string()));
  EXPECT_THAT(store().notes(), ElementsAre(HasSubstr("1 unfinished snapshot")));
}

TEST_F(StoreTest, WhatIsBesideASnapshotIsMadeAgainAfterOpening) {
  open();
  const LayerId layer = add_snapshot(store(), "kept");
  const auto other = add_snapshot(store(), "other");
  const auto beside = store().implied_path(std::array{other, layer});
  EXPECT_NE(beside, store().implied_path(std::array{layer}));
  EXPECT_NE(beside, store().implied_path(std::array{layer, other}));
  std::filesystem::create_directories(beside);
  reopen();
  EXPECT_FALSE(std::filesystem::exists(beside));
  EXPECT_TRUE(std::filesystem::exists(store().snapshot_path(layer)));
  EXPECT_THAT(store().notes(), IsEmpty());
}

TEST_F(StoreTest, ASnapshotRenamedButNotYetCommittedIsRemovedWithItsRow) {
  open();
  const LayerId layer = run([](Tables& tables) { return tables.add_layer({}); });
  std::filesystem::create_directories(store().snapshot_path(layer));
  reopen();
  EXPECT_THAT(names_in(root() / "snapshots"), IsEmpty());
  EXPECT_FALSE(run([&](Tables& tables) { return tables.layer(layer); }));
}

TEST_F(StoreTest, ALayerWithoutItsDirectoryLosesTheSnapshotAndKeepsTheBlob) {
  open();
  const LayerId with_blob = add_snapshot(store(), "a");
  add_blob(store(), with_blob, "blob a");
  const LayerId without = add_snapshot(store(), "b");
  put_record(store(), "first", {with_blob});
  put_record(store(), "second", {with_blob, without});
  close();
  std::filesystem::remove_all(root() / "snapshots");
  open();
  EXPECT_FALSE(run([&](Tables& tables) { return tables.layer(with_blob); })->has_snapshot);
  // Nothing is left of the other, so that neither it nor what needs it can be used.
  EXPECT_FALSE(run([&](Tables& tables) { return tables.layer(without); }));
  EXPECT_TRUE(run([](Tables& tables) { return tables.record("first"); }));
  EXPECT_FALSE(run([](Tables& tables) { return tables.record("second"); }));
}

TEST_F(StoreTest, AMissingLayerBlobIsNoError) {
  open();
  const LayerId layer = add_snapshot(store(), "a");
  add_blob(store(), layer, "blob a");
  store().blobs().remove(sha256("blob a"));
  reopen();
  EXPECT_THAT(store().notes(), IsEmpty());
  EXPECT_EQ(run([&](Tables& tables) { return tables.layer(layer); })->blob, sha256("blob a"));
}

TEST_F(StoreTest, BuildsThatRanWhenTheDaemonEndedHaveFailed) {
  open();
  run([](Tables& tables) { tables.put_build({"b1", "running", "ctx", "", "", 1, 0}); });
  reopen();
  const auto builds = run([](Tables& tables) { return tables.builds(); });
  ASSERT_THAT(builds, SizeIs(1));
  EXPECT_EQ(builds[0].status, "interrupted");
  EXPECT_THAT(builds[0].error, HasSubstr("stopped"));
}

class DamagedDatabaseTest : public StoreTest {
 protected:
  void SetUp() override {
    open();
    layer_ = add_snapshot(store(), "snapshot");
    blob_ = store().blobs().put("blob");
    for (int i = 0; i < 500; ++i)
      put_record(store(), "record " + std::to_string(i), {layer_});
    put_image(store(), "docker.io/library/a:1", put_image_documents(store(), {"blob"}));
    close();
  }

  void expect_new_store() {
    ASSERT_NO_THROW(open());
    EXPECT_TRUE(store().blobs().has(blob_));
    EXPECT_THAT(names_in(root() / "snapshots"), IsEmpty());
    EXPECT_THAT(run([](Tables& tables) { return tables.images(); }), IsEmpty());
    put_record(store(), "new", {add_snapshot(store(), "new")});
    reopen();
    EXPECT_THAT(store().notes(), IsEmpty());
    EXPECT_TRUE(run([](Tables& tables) { return tables.record("new"); }));
  }
  [[nodiscard]] bool was_put_aside() const {
    const auto names = names_in(root());
    return std::ranges::any_of(
        names, [](const std::string& name) { return name.starts_with("kiln.db.damaged-"); });
  }

  LayerId layer_{};
  Digest blob_ = sha256("blob");
};

TEST_F(DamagedDatabaseTest, GarbageIsPutAsideAndANewOneBegun) {
  os::write_file(root() / "kiln.db", std::string(50'000, '\x5a'));
  open();
  EXPECT_THAT(store().notes(), Contains(HasSubstr("put aside as " + root().string())));
  close();
  EXPECT_TRUE(was_put_aside());
  expect_new_store();
}

TEST_F(DamagedDatabaseTest, ATruncatedFileIsPutAsideAndANewOneBegun) {
  const auto file = root() / "kiln.db";
  std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
  expect_new_store();
  EXPECT_TRUE(was_put_aside());
}

TEST_F(DamagedDatabaseTest, ADeletedFileIsBegunAnew) {
  std::filesystem::remove(root() / "kiln.db");
  expect_new_store();
  EXPECT_FALSE(was_put_aside());
}

TEST_F(DamagedDatabaseTest, AnEmptyFileIsBegunAnew) {
  std::filesystem::resize_file(root() / "kiln.db", 0);
  expect_new_store();
}

TEST_F(DamagedDatabaseTest, DamageInTheMiddleIsFoundAfterAnUncleanEnd) {
  run_and_vanish([this] {
    auto* const vanishing = new Store(root());  // never closed: the clean mark is gone
    (void)vanishing;
  });
  const auto file = root() / "kiln.db";
  {
    const os::Fd fd = os::open_file(file, O_RDWR);
    const std::string garbage(3 * 4096, '\xa5');
    ASSERT_EQ(::pwrite(fd.get(), garbage.data(), garbage.size(), 8 * 4096),
              static_cast<ssize_t>(garbage.size()));
  }
  expect_new_store();
  EXPECT_TRUE(was_put_aside());
}

}  // namespace
}  // namespace kiln::store
