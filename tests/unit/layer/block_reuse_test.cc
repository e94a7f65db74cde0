#include <fcntl.h>
#include <gmock/gmock.h>

#include <set>

#include "builder/layer/block_table.h"
#include "builder/layer/compress.h"
#include "builder/os/file.h"
#include "tests/unit/layer/tree.h"

namespace kiln::layer {
namespace {

using testing::noise;
using testing::sample_text;
using testing::Scratch;

constexpr BlockKey kKey{1, 2, 3};

struct Written {
  std::string bytes;
  BlockTable table;
};

Written compress(Compression how, std::string_view text, const EarlierBlob* earlier = nullptr) {
  Written result{{}, BlockTable(earlier != nullptr ? earlier->key() : kKey)};
  StringSink out(1U << 30);
  const auto sink = make_compressor(how, out, 2, {earlier, &result.table});
  for (std::size_t at = 0; at < text.size(); at += 70001)
    sink->write(as_bytes(text.substr(at, 70001)));
  sink->finish();
  result.bytes = out.take();
  return result;
}

EarlierBlob keep(const Scratch& scratch, const Written& blob) {
  testing::put_file(scratch.path() / "blob", blob.bytes);
  return {os::open_file(scratch.path() / "blob", O_RDONLY), blob.table};
}

std::size_t count_missing(const BlockTable& of, const BlockTable& in) {
  std::set<BlockHash> known;
  for (const BlockPlace& place : in.places())
    known.insert(place.hash);
  return static_cast<std::size_t>(std::ranges::count_if(
      of.places(), [&](const BlockPlace& place) { return !known.contains(place.hash); }));
}

/// Like the files of a tar: whole records.
std::string some_files() {
  std::string text = sample_text(20 * 1024 * 1024);
  text.resize(text.size() / 512 * 512);
  return text;
}

TEST(Blocks, AChangeInTheMiddleLeavesTheBlocksBehindItAsTheyWere) {
  const std::string before = some_files();
  const std::size_t middle = before.size() / 2 / 512 * 512;
  const std::string removed = before.substr(0, middle) + before.substr(middle + 5 * 512);
  const std::string added = before.substr(0, middle) + noise(9 * 512) + before.substr(middle);
  std::string changed = before;
  changed.replace(middle, 3, "new");
  const Written old = compress(Compression::gzip, before);
  EXPECT_GT(old.table.places().size(), 40U);
  for (const std::string& now : {removed, added, changed}) {
    EXPECT_LE(count_missing(compress(Compression::gzip, now).table, old.table), 4U);
  }
}

TEST(Blocks, TakingThemFromAnEarlierBlobGivesTheSameBytes) {
  const std::string before = some_files();
  const std::string now = before.substr(0, 5'000'192) + noise(512) + before.substr(5'000'192);
  for (const Compression how : {Compression::gzip, Compression::zstd}) {
    const Scratch scratch;
    const EarlierBlob earlier = keep(scratch, compress(how, before));
    const Written plain = compress(how, now);
    const Written quick = compress(how, now, &earlier);
    EXPECT_TRUE(quick.bytes == plain.bytes);
    EXPECT_EQ(quick.table.encode(), plain.table.encode());
  }
}

TEST(Blocks, WhatIsDamagedInTheEarlierBlobIsCompressedAgain) {
  const std::string text = some_files();
  const Scratch scratch;
  const Written whole = compress(Compression::gzip, text);
  Written damaged = whole;
  for (std::size_t at = 1000; at < damaged.bytes.size(); at += 100'000)
    damaged.bytes[at] = static_cast<char>(damaged.bytes[at] ^ 1);
  const EarlierBlob flipped = keep(scratch, damaged);
  EXPECT_TRUE(compress(Compression::gzip, text, &flipped).bytes == whole.bytes);
  damaged.bytes = whole.bytes.substr(0, 700'000);
  const EarlierBlob cut = keep(scratch, damaged);
  EXPECT_TRUE(compress(Compression::gzip, text, &cut).bytes == whole.bytes);
}

TEST(Blocks, WhatIsTakenIsNotCompressed) {
  const std::string text = some_files();
  const Scratch scratch;
  // A table that says something else about where blocks are is believed as far as sums match.
  const Written real = compress(Compression::gzip, text);
  BlockTable moved(kKey);
  const std::string other = compress(Compression::gzip, "other").bytes;
  moved.add(real.table.places().front().hash, 0, as_bytes(other));
  const EarlierBlob earlier = keep(scratch, {other, moved});
  EXPECT_TRUE(compress(Compression::gzip, text, &earlier).bytes.starts_with(other));
}

TEST(Blocks, HashesOfTwoKeysHaveNothingInCommon) {
  const std::string text = some_files();
  BlockHasher one(kKey);
  BlockHasher again(kKey);
  BlockHasher other(make_block_key());
  EXPECT_EQ(one(as_bytes(text)), again(as_bytes(text)));
  EXPECT_EQ(one(as_bytes("")), again(as_bytes("")));
  EXPECT_NE(one(as_bytes(text)), one(as_bytes(text + "x")));
  EXPECT_NE(one(as_bytes(text)), other(as_bytes(text)));
}

TEST(Blocks, ATableSurvivesItsEncoding) {
  const Written blob = compress(Compression::gzip, sample_text(3'000'000));
  const std::string bytes = blob.table.encode();
  const std::optional<BlockTable> again = BlockTable::decode(bytes);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->encode(), bytes);
  EXPECT_EQ(again->places().size(), blob.table.places().size());
  for (const std::string& wrong :
       {std::string(), bytes.substr(0, bytes.size() - 1), "\1" + bytes.substr(1)}) {
    EXPECT_FALSE(BlockTable::decode(wrong).has_value());
  }
  EXPECT_EQ(again->key(), blob.table.key());
  EXPECT_TRUE(BlockTable::decode(BlockTable(kKey).encode())->places().empty());
}

TEST(Blocks, ZerosAreNotCutAtEachRecord) {
  const Written blob = compress(Compression::gzip, std::string(8 * 1024 * 1024, '\0'));
  EXPECT_EQ(blob.table.places().size(), 16U);
}

}  // namespace
}  // namespace kiln::layer
