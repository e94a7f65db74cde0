#include <gmock/gmock.h>

#include <map>

#include "builder/store/gc.h"
#include "tests/unit/store/store_fixture.h"

namespace kiln::store {
namespace {

class UsageTest : public StoreTest {
 protected:
  void SetUp() override { open(); }

  std::map<std::string, DiskUsage::Row> rows() {
    std::map<std::string, DiskUsage::Row> by_kind;
    for (const DiskUsage::Row& row : disk_usage(store(), leases_).rows)
      by_kind.emplace(row.kind, row);
    return by_kind;
  }
  void fill() {
    for (int i = 0; i < 30; ++i) {
      const std::string text =
          "layer " + std::to_string(i) + std::string(static_cast<std::size_t>(i) * 2000, 'x');
      const LayerId id = add_snapshot(store(), text);
      add_blob(store(), id, text);
      put_record(store(), text.substr(0, 20), {id});
      std::filesystem::create_hard_link(store().snapshot_path(id) / "content",
                                        store().snapshot_path(id) / "again");
      if (i < 5) {
        put_image(store(), "docker.io/library/a:" + std::to_string(i),
                  put_image_documents(store(), {text}));
      }
    }
    store().blobs().put("stray");
    std::filesystem::create_directories(store().build_path("b1"));
    os::write_file(store().build_path("b1") / "log", std::string(30'000, 'l'));
    run([](Tables& tables) { tables.put_build({"b1", "done", "", "", "", 1, 2}); });
    run([](Tables& tables) { tables.put_file_digests({{{1, 2, 3, 4, 5, 6}, sha256("x")}}); });
  }
  LeaseTable leases_;
};

TEST_F(UsageTest, TheSumIsWhatDuSays) {
  fill();
  std::uint64_t sum = 0;
  for (const auto& [kind, row] : rows())
    sum += row.size_bytes;
  const auto expected = static_cast<double>(du(root()));
  EXPECT_NEAR(static_cast<double>(sum), expected, expected / 100);
}

TEST_F(UsageTest, EachKindIsCounted) {
  fill();
  const auto by_kind = rows();
  EXPECT_EQ(by_kind.at("images").count, 5U);
  EXPECT_EQ(by_kind.at("layers").count, 30U);
  EXPECT_EQ(by_kind.at("snapshots").count, 30U);
  EXPECT_EQ(by_kind.at("blobs").count, 1U);
  EXPECT_EQ(by_kind.at("cache records").count, 30U);
  EXPECT_EQ(by_kind.at("file digests").count, 1U);
  EXPECT_EQ(by_kind.at("logs").count, 1U);
  EXPECT_GE(by_kind.at("logs").size_bytes, 30'000U);
}

TEST_F(UsageTest, WhatIsReclaimableIsWhatPruneFrees) {
  fill();
  std::uint64_t reclaimable = 0;
  for (const auto& [kind, row] : rows())
    reclaimable += row.reclaimable_bytes;
  EXPECT_EQ(prune(store(), leases_, false).freed_bytes, reclaimable);
  for (const auto& [kind, row] : rows())
    EXPECT_EQ(row.reclaimable_bytes, 0U) << kind;
}

TEST_F(UsageTest, AnEmptyStoreHasNothingToReclaim) {
  for (const auto& [kind, row] : rows())
    EXPECT_EQ(row.reclaimable_bytes, 0U) << kind;
}

}  // namespace
}  // namespace kiln::store
