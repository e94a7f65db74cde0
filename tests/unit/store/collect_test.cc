// In which order things go, and how much of them.
#include <gmock/gmock.h>
#include <unistd.h>

#include "builder/store/gc.h"
#include "tests/unit/store/store_fixture.h"

namespace kiln::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kHour = 3600LL * 1'000'000'000;

class CollectTest : public StoreTest {
 protected:
  void SetUp() override { open(); }

  /// A layer whose snapshot takes `kilobytes`, on those of `below`, and its record.
  LayerId add_step(const std::string& key,
                   std::int64_t used_ns,
                   int kilobytes = 100,
                   std::vector<LayerId> below = {}) {
    const LayerId id =
        add_snapshot(store(), std::string(static_cast<std::size_t>(kilobytes) * 1024, 'x'));
    const std::uint64_t bytes = du(store().snapshot_path(id));
    below.push_back(id);
    run([&](Tables& tables) {
      tables.set_layer_snapshot(id, true, bytes);
      tables.put_record({key, below, key, "{}", used_ns, used_ns});
    });
    return id;
  }
  std::vector<std::string> records() {
    std::vector<std::string> keys;
    for (const RecordRow& row : run([](Tables& tables) { return tables.records(); }))
      keys.push_back(row.key);
    return keys;
  }
  Collected free(std::uint64_t bytes, const std::vector<Disposable>& others = {}) {
    return collect(store(), leases_, {.all = true, .free_bytes = bytes}, others);
  }

  const std::int64_t now_ = os::now_ns();
  LeaseTable leases_;
};

TEST_F(CollectTest, WhatWasUsedLongestAgoGoesFirstAndNoMoreThanIsAskedFor) {
  add_step("old", now_ - 3 * kHour);
  add_step("new", now_ - kHour);
  add_step("older", now_ - 4 * kHour);
  const Collected collected = free(150 * 1024);
  EXPECT_THAT(records(), ElementsAre("new"));
  EXPECT_EQ(collected.report.records, 2U);
  EXPECT_GE(collected.report.freed_bytes, 150U * 1024);
}

TEST_F(CollectTest, ARecordOfLayersThatOthersNeedFreesNothingAndIsNoReasonToStop) {
  const LayerId base = add_step("base", now_ - 4 * kHour);
  add_step("top", now_ - kHour, 100, {base});
  add_step("other", now_ - 2 * kHour);
  free(50 * 1024);
  EXPECT_THAT(records(), ElementsAre("top"));
  EXPECT_TRUE(std::filesystem::exists(store().snapshot_path(base)));
}

TEST_F(CollectTest, OfOneBuildTheLastStepsGoFirst) {
  const LayerId first = add_step("1", now_ - kHour);
  const LayerId second = add_step("2", now_ - kHour, 100, {first});
  add_step("3", now_ - kHour, 100, {first, second});
  free(50 * 1024);
  EXPECT_THAT(records(), ElementsAre("1", "2"));
}

TEST_F(CollectTest, WhatIsYoungerThanTheAgeStays) {
  add_step("old", now_ - 30 * kHour);
  add_step("young", now_ - 2 * kHour);
  (void)collect(store(), leases_, {.all = true, .used_before_ns = now_ - 24 * kHour}, {});
  EXPECT_THAT(records(), ElementsAre("young"));
}

TEST_F(CollectTest, WhenAllIsNeededNothingGoesHoweverMuchIsAskedFor) {
  const LayerId leased = add_step("leased", now_ - kHour);
  const LayerId of_image = add_step("layer", now_ - 2 * kHour);
  add_blob(store(), of_image, "layer");
  put_image(store(), "docker.io/library/a:1", put_image_documents(store(), {"layer"}));
  Lease lease(leases_);
  lease.add(leased);
  free(1 << 30);
  EXPECT_THAT(records(), ElementsAre("leased"));
  EXPECT_TRUE(store().blobs().has(sha256("layer")));
  EXPECT_FALSE(std::filesystem::exists(store().snapshot_path(of_image)));  // the blob is enough
  EXPECT_TRUE(std::filesystem::exists(store().snapshot_path(leased)));
}

TEST_F(CollectTest, ALongBuildDoesNotKeepWhatOthersHaveMadeAndLeft) {
  const Lease long_build(leases_);
  const LayerId id = add_step("short", os::now_ns());
  free(1 << 30);
  EXPECT_THAT(records(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(store().snapshot_path(id)));
}

TEST_F(CollectTest, ABaseImageIsAsYoungAsTheRecordsOnIt) {
  const LayerId base = add_snapshot(store(), "base");
  add_blob(store(), base, "base");
  add_step("on it", now_ - kHour, 100, {base});
  const Digest manifest = put_image_documents(store(), {"base"});
  run([&](Tables& tables) {
    tables.put_resolution({"docker.io/library/b:1", "linux/amd64", manifest, now_ - 9 * kHour});
  });
  add_step("old", now_ - 5 * kHour);
  free(50 * 1024);
  EXPECT_THAT(records(), ElementsAre("on it"));
  EXPECT_EQ(run([](Tables& tables) { return tables.resolutions().size(); }), 1U);
}

TEST_F(CollectTest, OtherThingsTakeTheirTurn) {
  add_step("middle", now_ - 2 * kHour);
  add_step("new", now_ - kHour);
  const std::vector<Disposable> others{
      {Disposable::Kind::cache_mount, "old mount", now_ - 5 * kHour, 100 * 1024},
      {Disposable::Kind::build, "new build", now_ - kHour / 2, 100 * 1024}};
  const Collected collected = free(150 * 1024, others);
  ASSERT_EQ(collected.others.size(), 1U);
  EXPECT_EQ(collected.others[0].name, "old mount");
  EXPECT_THAT(records(), ElementsAre("new"));
}

TEST_F(CollectTest, ANamelessImageGoesWithItsTurnAndANamedOneStays) {
  const Digest nameless = put_image_documents(store(), {"a"});
  const Digest named = put_image_documents(store(), {"b"});
  put_image(store(), kUnnamed + nameless.str(), nameless);
  put_image(store(), "docker.io/library/b:1", named);
  free(1 << 30);
  EXPECT_FALSE(store().blobs().has(nameless));
  EXPECT_TRUE(store().blobs().has(named));
}

TEST_F(CollectTest, ABlobThatIsWrittenAgainWhileItIsCollectedStays) {
  const Digest digest = store().blobs().put("again");
  ::usleep(30'000);
  const Lease build(leases_);
  store().blobs().put("again");  // no bytes are written, but whoever does this will need it
  free(1 << 30);
  EXPECT_TRUE(store().blobs().has(digest));
}

}  // namespace
}  // namespace kiln::store
