// Archives that are cut off, damaged or made to do harm.
#include <gmock/gmock.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>

#include "builder/image/archive_docker.h"
#include "tests/unit/image/fixture.h"

namespace kiln::image::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::IsEmpty;

/// Reads the archive, which must fail and leave nothing behind.
Error refused(const std::string& archive) {
  const TestStore store;
  Error error = error_of([&] { (void)store.read(archive); });
  EXPECT_NE(std::string(error.what()), "");
  EXPECT_THAT(store.blob_names(), IsEmpty()) << error.what();
  EXPECT_EQ(store.temporary_files(), 0U) << error.what();
  return error;
}

std::string good_archive() {
  const TestStore from;
  const oci::Descriptor root =
      store_test_image(from.blobs, {layer_tar("a", std::string(20000, 'a'))});
  return from.write({{root, {Reference::parse("app:1")}}}, ArchiveFormat::docker);
}

std::string index_json(const std::string& media_type, const std::string& document) {
  return oci::to_json(oci::Index{
      std::string(oci::kIndex), {{media_type, sha256(document), document.size(), {}, {}}}, {}});
}

std::string layout(const std::string& index, const std::vector<std::string>& blobs) {
  TarBuilder tar;
  tar.file("oci-layout", "{}").file("index.json", index);
  for (const std::string& blob : blobs)
    tar.file("blobs/sha256/" + std::string(sha256(blob).hex()), blob);
  return tar.finish();
}

/// A ustar header whose size field is base-256 (GNU), so that it can say anything.
std::string header_claiming(const std::string& name, std::uint64_t size) {
  std::string block(512, '\0');
  block.replace(0, name.size(), name);
  block.replace(100, 7, "0000644");
  block.replace(108, 7, "0000000");
  block.replace(116, 7, "0000000");
  block[124] = static_cast<char>(0x80);
  for (std::size_t i = 0; i < 8; ++i)
    block[135 - i] = static_cast<char>((size >> (8 * i)) & 0xff);
  block.replace(136, 11, "00000000000");
  block[156] = '0';
  block.replace(257, 8,
                std::string("ustar\0"
                            "00",
                            8));
  block.replace(148, 8, "        ");
  unsigned sum = 0;
  for (const char c : block)
    sum += static_cast<unsigned char>(c);
  block.replace(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return block;
}

TEST(HostileArchive, IsRefusedWhenItIsNoArchiveAtAll) {
  for (const std::string& bytes :
       {std::string(), std::string("hello"), std::string(100000, 'x'), std::string(10240, '\0'),
        gzip("hello"), TarBuilder().file("a", "1").finish()}) {
    EXPECT_EQ(refused(bytes).code(), Errc::invalid_input);
  }
}

TEST(HostileArchive, IsRefusedWhereverItIsCutOff) {
  const std::string archive = good_archive();
  const std::string compressed = gzip(archive);
  for (std::size_t length = 1; length < archive.size() - 3000; length += 509) {
    EXPECT_THAT(refused(archive.substr(0, length)).code(),
                AnyOf(Errc::corrupt, Errc::invalid_input))
        << length;
  }
  for (std::size_t length = 1; length < compressed.size() - 8; length += 61) {
    EXPECT_THAT(refused(compressed.substr(0, length)).code(),
                AnyOf(Errc::corrupt, Errc::invalid_input))
        << length;
  }
}

TEST(HostileArchive, NeverGivesAnImageWithAFlippedByteOfABlob) {
  const TestStore from;
  const oci::Descriptor root = store_test_image(from.blobs, {layer_tar("a", "1")});
  const std::string archive = from.write({{root, {}}}, ArchiveFormat::oci);
  for (std::size_t position = 0; position < archive.size(); position += 97) {
    std::string damaged = archive;
    damaged[position] = static_cast<char>(damaged[position] ^ 0x11);
    const TestStore store;
    try {
      (void)store.read(damaged);
    } catch (const Error& error) {
      EXPECT_THAT(error.code(), AnyOf(Errc::corrupt, Errc::invalid_input)) << error.what();
    }
    for (const std::string& name : store.blob_names())
      EXPECT_EQ(sha256(read_text(store.scratch / ("blobs/sha256/" + name))).hex(), name);
  }
}

TEST(HostileArchive, SaysWhichBlobHasAnotherContentThanItsName) {
  const std::string manifest = R"({"schemaVersion":2,"config":{}})";
  const std::string name = "blobs/sha256/" + std::string(sha256(manifest).hex());
  const Error error =
      refused(TarBuilder()
                  .file("index.json", index_json(std::string(oci::kManifest), manifest))
                  .file(name, "something else")
                  .finish());
  EXPECT_EQ(error.code(), Errc::corrupt);
  EXPECT_THAT(error.what(), HasSubstr(name + ": damaged"));
}

TEST(HostileArchive, IsRefusedWhenAnIndexLiesAboutASize) {
  const std::string manifest = R"({"schemaVersion":2,"config":{}})";
  oci::Index index{
      std::string(oci::kIndex), {{std::string(oci::kManifest), sha256(manifest), 5, {}, {}}}, {}};
  EXPECT_THAT(refused(layout(oci::to_json(index), {manifest})).what(),
              HasSubstr("31 bytes instead of 5"));
}

TEST(HostileArchive, IsRefusedWhenADocumentIsAManifestHereAndAnIndexThere) {
  const std::string index = R"({"schemaVersion":2,"manifests":[]})";
  EXPECT_THAT(refused(layout(index_json(std::string(oci::kManifest), index), {index})).what(),
              HasSubstr("listed as"));
}

TEST(HostileArchive, MayClaimTenGigabytesInAHeaderForNothing) {
  const Error error =
      refused(header_claiming("blobs/sha256/x", std::uint64_t{10} << 30) + std::string(4096, 'x'));
  EXPECT_EQ(error.code(), Errc::corrupt);
  EXPECT_THAT(refused(header_claiming("index.json", std::uint64_t{1} << 62)).code(),
              AnyOf(Errc::corrupt, Errc::invalid_input));
}

TEST(HostileArchive, CannotNameFilesOutsideItself) {
  const TestStore store;
  const std::string archive = TarBuilder()
                                  .file("../../escape", "x")
                                  .file("/absolute", "x")
                                  .file("../index.json", "{}")
                                  .symlink("manifest.json", "/etc/passwd")
                                  .symlink("link", "../../../etc/passwd")
                                  .finish();
  const Error error = error_of([&] { (void)store.read(archive); });
  EXPECT_EQ(error.code(), Errc::invalid_input);
  EXPECT_FALSE(std::filesystem::exists(store.scratch / "escape"));
  EXPECT_FALSE(std::filesystem::exists(store.scratch / "../escape"));
  EXPECT_FALSE(std::filesystem::exists("/absolute"));
}

TEST(HostileArchive, IsRefusedForALoopOfLinks) {
  const Error error = refused(TarBuilder()
                                  .symlink("a/layer.tar", "../b/layer.tar")
                                  .symlink("b/layer.tar", "../a/layer.tar")
                                  .file("c.json", config_json({layer_tar("a", "1")}))
                                  .file("manifest.json", to_json({{"c.json", {}, {"a/layer.tar"}}}))
                                  .finish());
  EXPECT_EQ(error.code(), Errc::corrupt);
  EXPECT_THAT(error.what(), HasSubstr("a/layer.tar: a loop of links"));
  EXPECT_EQ(refused(TarBuilder().symlink("index.json", "index.json").finish()).code(),
            Errc::corrupt);
}

TEST(HostileArchive, IsRefusedForADocumentOfAHundredMegabytes) {
  const std::string huge(std::size_t{100} << 20, ' ');
  for (const std::string name : {"manifest.json", "index.json"}) {
    const Error error = refused(TarBuilder().file(name, huge).finish());
    EXPECT_EQ(error.code(), Errc::corrupt);
    EXPECT_THAT(error.what(), HasSubstr("over the limit"));
  }
}

TEST(HostileArchive, IsRefusedForDeepJson) {
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  const std::string deep_object = R"({"manifests":)" + deep + "}";
  EXPECT_THAT(refused(TarBuilder().file("manifest.json", deep).finish()).what(),
              HasSubstr("nested too deeply"));
  EXPECT_THAT(refused(TarBuilder().file("index.json", deep_object).finish()).what(),
              HasSubstr("nested too deeply"));
}

TEST(HostileArchive, IsRefusedForAnEndlessChainOfIndexes) {
  std::vector<std::string> blobs{R"({"schemaVersion":2,"manifests":[]})"};
  for (int i = 0; i < 50; ++i)
    blobs.push_back(index_json(std::string(oci::kIndex), blobs.back()));
  EXPECT_THAT(refused(layout(blobs.back(), blobs)).what(), HasSubstr("nested too deeply"));
}

TEST(HostileArchive, IsRefusedForATagThatNamesADigest) {
  const std::string layer = layer_tar("a", "1");
  EXPECT_THAT(refused(TarBuilder()
                          .file("c.json", config_json({layer}))
                          .file("a", layer)
                          .file("manifest.json",
                                to_json({{"c.json", {"app@" + sha256("other").str()}, {"a"}}}))
                          .finish())
                  .what(),
              HasSubstr("has a digest"));
}

TEST(HostileArchive, IsRefusedForASparseFile) {
  const Scratch scratch;
  if (!installed("truncate")) GTEST_SKIP() << "truncate is not installed";
  const std::string directory = scratch.path().string();
  ASSERT_EQ(run("cd " + directory +
                " && truncate -s 8G index.json && "
                "tar --sparse -cf sparse.tar index.json")
                .status,
            0);
  const TestStore store;
  const Error error = error_of([&] { (void)store.read_file(scratch / "sparse.tar"); });
  EXPECT_EQ(error.code(), Errc::corrupt);
  EXPECT_EQ(store.temporary_files(), 0U);
}

/// A docker archive with one layer of `layer_bytes`, made while it is read.
class BigArchive final : public Source {
 public:
  explicit BigArchive(std::uint64_t layer_bytes)
      : rest_(layer_bytes), head_(header_claiming("layer.tar", layer_bytes)) {}

  std::size_t read(MutableBytes buffer) override {
    if (!head_.empty()) {
      const std::size_t count = std::min(buffer.size(), head_.size());
      std::memcpy(buffer.data(), head_.data(), count);
      head_.erase(0, count);
      return count;
    }
    const std::size_t count = std::min<std::uint64_t>(buffer.size(), rest_);
    std::ranges::fill(buffer.first(count), std::byte{7});
    rest_ -= count;
    return count;
  }

 private:
  std::uint64_t rest_;
  std::string head_;
};

TEST(HostileArchive, CostsMemoryForItsBuffersOnly) {
  const auto peak_kib = [] {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  const TestStore store;
  const long before = peak_kib();
  const Error error = error_of([&] {
    (void)read_archive(std::make_unique<BigArchive>(std::uint64_t{128} << 20), store.blobs, {});
  });
  EXPECT_EQ(error.code(), Errc::invalid_input) << "it lists nothing";
  EXPECT_LT(peak_kib() - before, 32 * 1024);
}

TEST(HostileArchive, StopsWhenAsked) {
  std::stop_source stop;
  stop.request_stop();
  const TestStore store;
  EXPECT_EQ(error_of([&] {
              (void)read_archive(std::make_unique<BigArchive>(std::uint64_t{1} << 40), store.blobs,
                                 stop.get_token());
            }).code(),
            Errc::cancelled);
}

}  // namespace
}  // namespace kiln::image::test
