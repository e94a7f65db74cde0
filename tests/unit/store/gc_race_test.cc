// Collection beside running builds.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

#include "builder/store/gc.h"
#include "proto/error.h"
#include "proto/oci.h"
#include "tests/unit/store/store_fixture.h"

namespace kiln::store {
namespace {

class GcRaceTest : public StoreTest {
 protected:
  void SetUp() override { open(); }
  LeaseTable leases_;
};

TEST_F(GcRaceTest, ALeasedLayerStaysWithItsRecordAndBlob) {
  const LayerId id = add_snapshot(store(), "x");
  add_blob(store(), id, "x");
  put_record(store(), "k", {id});
  {
    Lease lease(leases_);
    lease.add(id);
    // Recent things stay while any lease lives: here the lease alone shall be the reason.
    const auto rows = run([](Tables& tables) { return tables.layers(); });
    EXPECT_TRUE(leases_.holds(id));
    (void)prune(store(), leases_, true);
    EXPECT_TRUE(std::filesystem::exists(store().snapshot_path(id)));
    EXPECT_TRUE(run([](Tables& tables) { return tables.record("k"); }));
    EXPECT_TRUE(store().blobs().has(sha256("x")));
  }
  EXPECT_FALSE(leases_.holds(id));
  (void)prune(store(), leases_, true);
  EXPECT_FALSE(std::filesystem::exists(store().snapshot_path(id)));
  EXPECT_FALSE(store().blobs().has(sha256("x")));
}

TEST_F(GcRaceTest, ALeasedBlobStays) {
  store().blobs().put("x");
  store().blobs().put("y");
  std::this_thread::sleep_for(std::chrono::milliseconds(30));  // older than the lease
  Lease lease(leases_);
  lease.add(sha256("x"));
  (void)prune(store(), leases_, false);
  EXPECT_TRUE(store().blobs().has(sha256("x")));
  EXPECT_FALSE(store().blobs().has(sha256("y")));
}

TEST_F(GcRaceTest, WhatIsWrittenWhileALeaseLivesAndHasNoOwnerYetStays) {
  const Lease build(leases_);
  const LayerId id = add_snapshot(store(), "new");
  add_blob(store(), id, "new");
  const Digest document = store().blobs().put("document");
  (void)prune(store(), leases_, true);
  EXPECT_TRUE(std::filesystem::exists(store().snapshot_path(id)));
  EXPECT_TRUE(store().blobs().has(sha256("new")));
  EXPECT_TRUE(store().blobs().has(document));
}

TEST_F(GcRaceTest, AnOldLayerThatARunningBuildFoundStays) {
  const LayerId id = add_snapshot(store(), "old");
  add_blob(store(), id, "old");
  const LayerId other = add_snapshot(store(), "other");
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  const Lease build(leases_);
  run([&](Tables& tables) { return tables.layer_by_diff_id(DiffId{sha256("tar old")}); });
  (void)prune(store(), leases_, true);
  EXPECT_TRUE(std::filesystem::exists(store().snapshot_path(id)));
  EXPECT_TRUE(store().blobs().has(sha256("old")));
  EXPECT_FALSE(std::filesystem::exists(store().snapshot_path(other)));
}

TEST_F(GcRaceTest, ABlobThatGotAnOwnerDuringTheSweepStays) {
  const Digest digest = store().blobs().put("late");
  LeaseTable::Sweep sweep(leases_);
  {
    Lease lease(leases_);
    lease.add(digest);
  }  // its owner is in the database now, where the collector has already looked
  bool removed = false;
  EXPECT_FALSE(sweep.remove(digest, [&] { removed = true; }));
  EXPECT_FALSE(removed);
  EXPECT_TRUE(sweep.remove(sha256("other"), [&] { removed = true; }));
  EXPECT_TRUE(removed);
}

TEST_F(GcRaceTest, AMovedLeaseHoldsOnceAndLetsGoOnce) {
  auto first = std::make_unique<Lease>(leases_);
  first->add(LayerId{1});
  first->add(LayerId{1});
  auto second = std::make_unique<Lease>(std::move(*first));
  first.reset();
  EXPECT_TRUE(leases_.holds(LayerId{1}));
  second.reset();
  EXPECT_FALSE(leases_.holds(LayerId{1}));
}

/// What a build does, by the rules of lease.h. Returns false when something it holds was taken.
bool build_once(Store& store, LeaseTable& leases, int number) {
  const std::string text = "layer " + std::to_string(number % 7);
  Lease lease(leases);
  const auto found = store.database().run_blocking([&](Tables& tables) {
    auto record = tables.record(text);
    if (record) lease.add(record->layers.at(0));
    return record;
  });
  LayerId layer{};
  if (found) {
    layer = found->layers.at(0);
    if (!std::filesystem::exists(store.snapshot_path(layer))) return false;
  } else {
    layer = add_snapshot(store, text);
    lease.add(layer);
    put_record(store, text, {layer});
  }
  lease.add(sha256(text));
  add_blob(store, layer, text);
  std::this_thread::yield();
  const std::string image = "docker.io/library/a:" + std::to_string(number % 3);
  put_image(store, image, put_image_documents(store, {text}));
  return std::filesystem::exists(store.snapshot_path(layer)) && store.blobs().has(sha256(text));
}

TEST_F(GcRaceTest, BuildsAndCollectionsSideBySideLoseNothingThatIsNeeded) {
  std::atomic<bool> stop = false;
  std::atomic<int> broken = 0;
  std::atomic<int> built = 0;
  const auto build = [&](int seed) {
    for (int i = seed; !stop; ++i, ++built)
      broken += build_once(store(), leases_, i) ? 0 : 1;
  };
  std::vector<std::thread> builders;
  for (int i = 0; i < 3; ++i)
    builders.emplace_back(build, i * 1000);
  int prunes = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  for (; std::chrono::steady_clock::now() < end; ++prunes)
    (void)prune(store(), leases_, prunes % 2 == 0);
  stop = true;
  for (std::thread& builder : builders)
    builder.join();
  EXPECT_EQ(broken, 0);
  EXPECT_GT(built, 20);
  EXPECT_GT(prunes, 5);
  for (const ImageRow& image : run([](Tables& tables) { return tables.images(); })) {
    const oci::Manifest manifest =
        oci::parse_manifest(store().blobs().read(image.manifest, oci::kMaxDocumentBytes));
    EXPECT_TRUE(store().blobs().has(manifest.config.digest));
    EXPECT_TRUE(store().blobs().has(manifest.layers.at(0).digest));
  }
}

}  // namespace
}  // namespace kiln::store
