// A machine that stops: what was not synced may have names and rows, but no bytes.
#include <gmock/gmock.h>

#include "proto/oci.h"
#include "tests/unit/store/store_fixture.h"

namespace kiln::store {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class PowerCutTest : public StoreTest {
 protected:
  /// Runs `body` on the store in a process that vanishes, and lets the machine boot again.
  void run_until_power_cut(const std::function<void(Store&)>& body) {
    run_and_vanish([&] {
      auto* const vanishing = new Store(root());
      body(*vanishing);
    });
    Database database(root() / "kiln.db");
    database.run_blocking([](Tables& tables) { tables.set_meta("boot_id", "an earlier boot"); });
  }
};

TEST_F(PowerCutTest, RowsWrittenAfterTheLastSyncAreDroppedAndSaidSo) {
  run_until_power_cut([](Store& vanishing) {
    const LayerId kept = add_snapshot(vanishing, "kept");
    put_record(vanishing, "kept", {kept});
    put_image(vanishing, "docker.io/library/kept:1", put_image_documents(vanishing, {}));
    vanishing.sync();
    const LayerId lost = add_snapshot(vanishing, "lost");
    put_record(vanishing, "lost", {kept, lost});
    put_image(vanishing, "docker.io/library/lost:1", put_image_documents(vanishing, {"x"}));
  });
  open();
  EXPECT_THAT(store().notes(),
              Contains(HasSubstr("1 layer(s), 0 snapshot(s), 1 cache record(s), 1 image(s)")));
  EXPECT_TRUE(run([](Tables& tables) { return tables.record("kept"); }));
  EXPECT_FALSE(run([](Tables& tables) { return tables.record("lost"); }));
  EXPECT_TRUE(run([](Tables& tables) { return tables.image("docker.io/library/kept:1"); }));
  EXPECT_FALSE(run([](Tables& tables) { return tables.image("docker.io/library/lost:1"); }));
  EXPECT_THAT(names_in(root() / "snapshots"), SizeIs(1));
}

TEST_F(PowerCutTest, ASnapshotMadeAfterTheLastSyncIsDroppedFromItsOlderLayer) {
  run_until_power_cut([](Store& vanishing) {
    const Digest blob = vanishing.blobs().put("blob");
    const LayerId layer = vanishing.database().run_blocking([&](Tables& tables) {
      LayerRow row;
      row.diff_id = DiffId{sha256("tar")};
      row.blob = blob;
      row.blob_bytes = 4;
      return tables.add_layer(row);
    });
    vanishing.sync();
    std::filesystem::create_directories(vanishing.snapshot_path(layer));
    vanishing.database().run_blocking(
        [&](Tables& tables) { tables.set_layer_snapshot(layer, true, 1); });
  });
  open();
  const auto row =
      run([](Tables& tables) { return tables.layer_by_diff_id(DiffId{sha256("tar")}); });
  ASSERT_TRUE(row);
  EXPECT_FALSE(row->has_snapshot);
  EXPECT_TRUE(store().blobs().has(*row->blob));
  EXPECT_THAT(names_in(root() / "snapshots"), IsEmpty());
}

TEST_F(PowerCutTest, BlobsThatTheDiskDoesNotHaveAreDropped) {
  run_until_power_cut([](Store& vanishing) {
    vanishing.blobs().put("whole");
    for (const char* text : {"empty", "short", "holes"})
      vanishing.blobs().put(text);
  });
  BlobStore blobs(root());
  std::filesystem::resize_file(blobs.path(sha256("empty")), 0);
  std::filesystem::resize_file(blobs.path(sha256("short")), 2);
  os::write_file(blobs.path(sha256("holes")), std::string("ho\0\0s", 5));
  open();
  EXPECT_THAT(store().notes(), Contains(HasSubstr("dropped 3 blob(s)")));
  EXPECT_THAT(names_in(root() / "blobs" / "sha256"), SizeIs(1));
  EXPECT_TRUE(store().blobs().has(sha256("whole")));
}

TEST_F(PowerCutTest, AnOldBlobWhoseSizeIsNotItsRowsIsDropped) {
  run_until_power_cut([](Store& vanishing) {
    const LayerId layer = add_snapshot(vanishing, "layer");
    add_blob(vanishing, layer, "a layer blob");
    vanishing.sync();
  });
  const BlobStore blobs(root());
  std::filesystem::resize_file(blobs.path(sha256("a layer blob")), 3);
  open();
  EXPECT_FALSE(store().blobs().has(sha256("a layer blob")));
  EXPECT_THAT(run([](Tables& tables) { return tables.layers(); }), SizeIs(1));
}

TEST_F(PowerCutTest, AnImageWhoseDocumentsAreGoneIsDroppedByName) {
  run_until_power_cut([](Store& vanishing) {
    put_image(vanishing, "docker.io/library/a:1", put_image_documents(vanishing, {}));
    vanishing.sync();
  });
  for (const std::string& name : names_in(root() / "blobs" / "sha256"))
    std::filesystem::resize_file(root() / "blobs" / "sha256" / name, 0);
  open();
  EXPECT_THAT(run([](Tables& tables) { return tables.images(); }), IsEmpty());
  EXPECT_THAT(store().notes(), Contains(HasSubstr("docker.io/library/a:1")));
}

TEST_F(PowerCutTest, ANamePutOnTheSameManifestAgainNeedsNoNewSync) {
  run_until_power_cut([](Store& vanishing) {
    const Digest manifest = put_image_documents(vanishing, {});
    put_image(vanishing, "docker.io/library/a:1", manifest);
    put_image(vanishing, "docker.io/library/b:1", manifest);
    vanishing.sync();
    put_image(vanishing, "docker.io/library/a:1", manifest);
    put_image(vanishing, "docker.io/library/b:1", put_image_documents(vanishing, {"other"}));
  });
  open();
  EXPECT_TRUE(run([](Tables& tables) { return tables.image("docker.io/library/a:1"); }));
  EXPECT_FALSE(run([](Tables& tables) { return tables.image("docker.io/library/b:1"); }));
}

TEST_F(PowerCutTest, ASyncAfterAKillCoversWhatTheKilledOneWrote) {
  run_and_vanish([this] {
    auto* const vanishing = new Store(root());
    put_record(*vanishing, "k", {add_snapshot(*vanishing, "x")});
  });
  run_until_power_cut([](Store& vanishing) { vanishing.sync(); });
  open();
  EXPECT_THAT(store().notes(), IsEmpty());
  EXPECT_TRUE(run([](Tables& tables) { return tables.record("k"); }));
}

TEST_F(PowerCutTest, ASyncOfNothingNewDoesNothing) {
  open();
  put_record(store(), "k", {});
  store().sync();
  const auto synced = [this] { return run([](Tables& tables) { return *tables.meta("synced"); }); };
  const std::string before = synced();
  run([](Tables& tables) {
    tables.touch_record("k", os::now_ns());
    tables.put_build({"b", "done", "", "", "", 1, 2});
    tables.put_file_digests({{{1, 2, 3, 4, 5, 6}, sha256("x")}});
  });
  store().sync();
  EXPECT_EQ(synced(), before);
  store().blobs().put("new");
  store().sync();
  EXPECT_NE(synced(), before);
}

TEST_F(PowerCutTest, ACleanlyClosedStoreLosesNothingByABoot) {
  open();
  put_record(store(), "k", {add_snapshot(store(), "x")});
  close();
  {
    Database database(root() / "kiln.db");
    database.run_blocking([](Tables& tables) { tables.set_meta("boot_id", "an earlier boot"); });
  }
  open();
  EXPECT_THAT(store().notes(), IsEmpty());
  EXPECT_TRUE(run([](Tables& tables) { return tables.record("k"); }));
}

TEST_F(PowerCutTest, AKillWithoutABootLosesNothing) {
  run_and_vanish([this] {
    auto* const vanishing = new Store(root());
    put_record(*vanishing, "k", {add_snapshot(*vanishing, "x")});
  });
  open();
  EXPECT_THAT(store().notes(), IsEmpty());
  EXPECT_TRUE(run([](Tables& tables) { return tables.record("k"); }));
}

}  // namespace
}  // namespace kiln::store
