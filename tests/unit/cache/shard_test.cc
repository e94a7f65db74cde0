#include "builder/cache/shard.h"

#include <gtest/gtest.h>

#include "proto/error.h"

namespace kiln::cache {
namespace {

constexpr std::int64_t kNow = 2'000'000'000;

Document of(const std::string& name, std::int64_t exported_s, bool base = false) {
  DocumentBuilder builder;
  const std::size_t place = builder.place_of({{sha256("tar " + name)},
                                              sha256("blob " + name),
                                              5,
                                              "application/vnd.oci.image.layer.v1.tar+gzip",
                                              0,
                                              base});
  builder.add({sha256(name), name, "", 0, exported_s, {place}, std::nullopt, {}});
  return builder.take();
}

TEST(Shard, IsAnImageOfTheLayersThatItsRecordsNeed) {
  const ShardImage image = make_shard(of("a", kNow));
  const oci::Manifest manifest = oci::parse_manifest(image.manifest);
  EXPECT_EQ(sha256(image.manifest), image.shard.manifest);
  EXPECT_EQ(manifest.config.digest, sha256(image.config));
  ASSERT_EQ(manifest.layers.size(), 1U);
  EXPECT_EQ(manifest.layers[0].digest, sha256("blob a"));
  EXPECT_EQ(oci::parse_config(image.config).diff_ids.size(), 1U);
  EXPECT_EQ(parse_config(image.config)->records, of("a", kNow).records);
}

TEST(Shard, LeavesLayersOfBaseImagesToTheirRegistry) {
  EXPECT_TRUE(oci::parse_manifest(make_shard(of("a", kNow, true)).manifest).layers.empty());
}

TEST(Shard, HasATagOfItsOwn) {
  const std::string tag = shard_tag("main", sha256("x"));
  EXPECT_TRUE(tag.starts_with(shard_prefix("main")));
  EXPECT_LE(shard_tag(std::string(kMaxTagLength, 't'), sha256("x")).size(), 128U);
  EXPECT_FALSE(tag.starts_with(shard_prefix("mai")));
}

TEST(Index, ListsShardsInOneOrder) {
  const Shard a = make_shard(of("a", kNow)).shard;
  const Shard b = make_shard(of("b", kNow)).shard;
  EXPECT_EQ(parse_index(to_index({a, b})), (std::set<Shard>{a, b}));
  EXPECT_EQ(to_index({a, b}), to_index({b, a}));
}

TEST(Index, OfAnImageListsNone) {
  const std::string json = to_index({make_shard(of("a", kNow)).shard});
  std::string plain = json;
  plain.replace(plain.find("kiln.cache.config.size"), 22, "something.of.others.xx");
  EXPECT_TRUE(parse_index(plain).empty());
}

TEST(Index, RefusesSizesThatNoDocumentHas) {
  std::string json = to_index({make_shard(of("a", kNow)).shard});
  const std::size_t at = json.find("kiln.cache.config.size\":\"") + 25;
  json.insert(at, "99999999");
  EXPECT_THROW((void)parse_index(json), Error);
}

TEST(Merge, HasTheRecordsOfAllAndTheNewestOfEqualOnes) {
  Document renewed = of("a", kNow);
  renewed.records[0].name = "newer";
  const Document merged = merge({of("a", kNow - 10), renewed, of("b", kNow)}, kNow);
  ASSERT_EQ(merged.records.size(), 2U);
  EXPECT_EQ(merged.layers.size(), 2U);
  for (const CachedRecord& record : merged.records)
    EXPECT_NE(record.name, "a");
}

TEST(Merge, LeavesOutWhatNobodyHasUsedForLong) {
  const Document merged =
      merge({of("old", kNow - kExpireSeconds - 1), of("new", kNow - kExpireSeconds + 1)}, kNow);
  ASSERT_EQ(merged.records.size(), 1U);
  EXPECT_EQ(merged.records[0].name, "new");
}

TEST(Merge, StaysReadable) {
  std::vector<Document> documents;
  for (int i = 0; i < 500; ++i) {
    documents.push_back(of(std::to_string(i), kNow + i));
    documents.back().records[0].name.append(20'000, 'x');
  }
  const Document merged = merge(documents, kNow);
  EXPECT_LT(to_json(merged).size(), oci::kMaxDocumentBytes);
  EXPECT_GT(merged.records.size(), 50U);
  EXPECT_TRUE(merged.records[0].name.starts_with("499"));
}

}  // namespace
}  // namespace kiln::cache
