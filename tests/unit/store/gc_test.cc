#include "builder/store/gc.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <array>

#include "proto/oci.h"
#include "tests/unit/store/store_fixture.h"

namespace kiln::store {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class GcTest : public StoreTest {
 protected:
  void SetUp() override { open(); }

  std::optional<LayerRow> layer(LayerId id) {
    for (LayerRow& row : run([](Tables& tables) { return tables.layers(); })) {
      if (row.id == id) return std::move(row);
    }
    return std::nullopt;
  }
  [[nodiscard]] bool has_directory(LayerId id) {
    return std::filesystem::exists(store().snapshot_path(id));
  }
  bool has_record(const std::string& key) {
    return run([&](Tables& tables) { return tables.record(key).has_value(); });
  }
  /// A layer with snapshot, blob and record, all of `text`.
  LayerId add_step(const std::string& text) {
    const LayerId id = add_snapshot(store(), text);
    add_blob(store(), id, text);
    put_record(store(), text, {id});
    return id;
  }
  void resolve(const std::string& reference, const Digest& manifest) {
    run([&](Tables& tables) {
      tables.put_resolution({reference, "linux/amd64", manifest, os::now_ns()});
    });
  }

  /// What puts the implied directories of that one layer in order.
  std::filesystem::path add_implied(LayerId id) {
    std::filesystem::create_directories(store().implied_path(std::array{id}) / "tmp");
    return store().implied_path(std::array{id});
  }

  LeaseTable leases_;
};

TEST_F(GcTest, WhatNothingNeedsGoes) {
  const LayerId id = add_step("unused");
  store().blobs().put("stray");
  const PruneReport report = prune(store(), leases_, false);
  EXPECT_EQ(report.records, 1U);
  EXPECT_FALSE(has_record("unused"));
  EXPECT_FALSE(layer(id));
  EXPECT_FALSE(has_directory(id));
  EXPECT_THAT(names_in(root() / "blobs" / "sha256"), IsEmpty());
  EXPECT_THAT(names_in(root() / "tmp"), IsEmpty());
}

TEST_F(GcTest, AnImageKeepsItsBlobsAndWhatItWasMadeOf) {
  const LayerId id = add_step("layer");
  const Digest manifest = put_image_documents(store(), {"layer"});
  put_image(store(), "docker.io/library/a:1", manifest);
  (void)prune(store(), leases_, false);
  EXPECT_TRUE(has_record("layer"));
  EXPECT_TRUE(has_directory(id));
  EXPECT_THAT(names_in(root() / "blobs" / "sha256"), SizeIs(3));
}

TEST_F(GcTest, WhatIsBesideASnapshotGoesWithTheLayer) {
  const auto unused = add_implied(add_step("unused"));
  const auto kept = add_implied(add_step("kept"));
  put_image(store(), "docker.io/library/a:1", put_image_documents(store(), {"kept"}));
  std::uint64_t reclaimable = 0;
  for (const DiskUsage::Row& row : disk_usage(store(), leases_).rows) {
    if (row.kind == "snapshots") reclaimable = row.reclaimable_bytes;
  }
  EXPECT_EQ(reclaimable, du(unused) + du(unused.parent_path() / unused.stem()));
  (void)prune(store(), leases_, false);
  EXPECT_FALSE(std::filesystem::exists(unused));
  EXPECT_TRUE(std::filesystem::exists(kept));
}

TEST_F(GcTest, WithAllOnlyTheImagesBlobsStay) {
  const LayerId id = add_step("layer");
  run([](Tables& tables) { tables.put_file_digests({{{1, 2, 3, 4, 5, 6}, sha256("x")}}); });
  put_image(store(), "docker.io/library/a:1", put_image_documents(store(), {"layer"}));
  (void)prune(store(), leases_, true);
  EXPECT_FALSE(has_record("layer"));
  EXPECT_FALSE(has_directory(id));
  ASSERT_TRUE(layer(id));
  EXPECT_FALSE(layer(id)->has_snapshot);
  EXPECT_EQ(layer(id)->blob, sha256("layer"));
  EXPECT_THAT(names_in(root() / "blobs" / "sha256"), SizeIs(3));
  EXPECT_EQ(run([](Tables& tables) { return tables.count_file_digests(); }), 0U);
}

TEST_F(GcTest, ASnapshotIsKeptWhenTheImagesLayerHasNoBlobHere) {
  const LayerId id = add_step("layer");
  put_image(store(), "docker.io/library/a:1", put_image_documents(store(), {"layer"}));
  store().blobs().remove(sha256("layer"));
  (void)prune(store(), leases_, true);
  EXPECT_TRUE(layer(id)->has_snapshot);
  EXPECT_TRUE(has_directory(id));
}

TEST_F(GcTest, StagesThatAreNotInTheImageGo) {
  add_step("image layer");
  const LayerId builder = add_step("builder stage");
  put_image(store(), "docker.io/library/a:1", put_image_documents(store(), {"image layer"}));
  EXPECT_EQ(prune(store(), leases_, false).records, 1U);
  EXPECT_TRUE(has_record("image layer"));
  EXPECT_FALSE(has_record("builder stage"));
  EXPECT_FALSE(has_directory(builder));
}

TEST_F(GcTest, AnIndexKeepsWhatItsManifestsNeed) {
  add_step("layer");
  const Digest manifest = put_image_documents(store(), {"layer"});
  oci::Index index;
  index.manifests.push_back({std::string(oci::kManifest), manifest, 1, {}, {}});
  index.manifests.push_back({std::string(oci::kManifest), sha256("elsewhere"), 1, {}, {}});
  const Digest digest = store().blobs().put(oci::to_json(index));
  run([&](Tables& tables) {
    tables.put_image({"docker.io/library/a:1", digest, std::string(oci::kIndex), 1, 1});
  });
  (void)prune(store(), leases_, true);
  EXPECT_THAT(names_in(root() / "blobs" / "sha256"), SizeIs(4));
}

TEST_F(GcTest, ABaseImageStaysUnlessAllIsAsked) {
  const LayerId id = add_step("base");
  resolve("docker.io/library/alpine:3", put_image_documents(store(), {"base"}));
  (void)prune(store(), leases_, false);
  EXPECT_TRUE(has_directory(id));
  EXPECT_TRUE(has_record("base"));
  EXPECT_THAT(names_in(root() / "blobs" / "sha256"), SizeIs(3));
  (void)prune(store(), leases_, true);
  EXPECT_FALSE(layer(id));
  EXPECT_THAT(names_in(root() / "blobs" / "sha256"), IsEmpty());
  EXPECT_THAT(run([](Tables& tables) { return tables.resolutions(); }), IsEmpty());
}

TEST_F(GcTest, ARemovedImageFreesWhatOnlyItNeeded) {
  add_step("shared");
  add_step("own");
  put_image(store(), "docker.io/library/a:1", put_image_documents(store(), {"shared"}));
  put_image(store(), "docker.io/library/b:1", put_image_documents(store(), {"shared", "own"}));
  run([](Tables& tables) { tables.remove_image("docker.io/library/b:1"); });
  (void)prune(store(), leases_, true);
  EXPECT_TRUE(store().blobs().has(sha256("shared")));
  EXPECT_FALSE(store().blobs().has(sha256("own")));
}

TEST_F(GcTest, AnUnreadableManifestDoesNotStopPruning) {
  const Digest manifest = store().blobs().put("{ not a manifest");
  put_image(store(), "docker.io/library/a:1", manifest);
  add_step("unused");
  EXPECT_EQ(prune(store(), leases_, false).records, 1U);
}

TEST_F(GcTest, FreedBytesAreWhatDuSays) {
  for (int i = 0; i < 20; ++i) {
    const LayerId id = add_step("step " + std::to_string(i) +
                                std::string(static_cast<std::size_t>(i) * 3000, 'x'));
    const auto tree = store().snapshot_path(id);
    std::filesystem::create_directories(tree / "deep" / "er");
    os::write_file(tree / "deep" / "file", std::string(10'000, 'y'));
    std::filesystem::create_hard_link(tree / "deep" / "file", tree / "deep" / "er" / "same file");
    ASSERT_EQ(::truncate((tree / "deep" / "file").c_str(), 1 << 24), 0);  // sparse
    std::filesystem::create_symlink(std::string(200, 'z'), tree / "link");
  }
  put_image(store(), "docker.io/library/a:1", put_image_documents(store(), {"kept"}));
  store().blobs().put("kept");
  const std::uint64_t before = du(root(), "--exclude='kiln.db*' --exclude=reserve");
  const PruneReport report = prune(store(), leases_, false);
  const std::uint64_t after = du(root(), "--exclude='kiln.db*' --exclude=reserve");
  EXPECT_GT(report.freed_bytes, 0U);
  EXPECT_EQ(report.freed_bytes, before - after);
  EXPECT_EQ(prune(store(), leases_, false).freed_bytes, 0U);
}

}  // namespace
}  // namespace kiln::store
