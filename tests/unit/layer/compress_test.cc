#include "builder/layer/compress.h"

#include <gmock/gmock.h>

#include "proto/error.h"
#include "proto/oci.h"
#include "tests/unit/layer/tree.h"

namespace kiln::layer {
namespace {

using testing::DripSource;
using ::testing::HasSubstr;
using testing::noise;
using testing::run;
using testing::sample_text;
using testing::Scratch;

std::string compress(Compression how,
                     std::string_view text,
                     int threads,
                     std::size_t step = 70001) {
  StringSink out(1U << 30);
  const auto sink = make_compressor(how, out, threads);
  for (std::size_t at = 0; at < text.size(); at += step)
    sink->write(as_bytes(text.substr(at, step)));
  sink->finish();
  return out.take();
}

std::string decompress(const std::string& bytes, bool archives = false, std::size_t step = 65536) {
  const auto source = make_decompressor(std::make_unique<DripSource>(bytes, step), archives);
  return testing::read_all(*source);
}

Errc error_of(const std::string& bytes, bool archives = false) {
  try {
    decompress(bytes, archives);
  } catch (const Error& error) {
    return error.code();
  }
  return Errc::internal;
}

std::string by_tool(const std::string& tool, const std::string& text) {
  const Scratch scratch;
  testing::put_file(scratch.path() / "in", text);
  return run("cat " + (scratch.path() / "in").string() + " | " + tool);
}

struct Case {
  std::string name;
  std::string text;
};

std::vector<Case> cases() {
  return {{"empty", ""},
          {"one byte", "x"},
          {"text of several blocks", sample_text(5'500'000)},
          {"exactly one block", sample_text(1024 * 1024)},
          {"noise", noise(2'500'001)},
          {"zeros", std::string(3'000'000, '\0')}};
}

TEST(Compress, GivesBackWhatWasWrittenWhateverTheContent) {
  for (const Case& one : cases()) {
    for (const Compression how : {Compression::none, Compression::gzip, Compression::zstd}) {
      EXPECT_TRUE(decompress(compress(how, one.text, 2)) == one.text)
          << one.name << " " << layer_media_type(how);
    }
  }
}

TEST(Compress, BytesDoNotDependOnThreadsNorOnHowTheInputArrives) {
  const std::string text = sample_text(10'000'000) + noise(1'000'000);
  for (const Compression how : {Compression::gzip, Compression::zstd}) {
    const std::string one = compress(how, text, 1);
    EXPECT_TRUE(compress(how, text, 4) == one);
    EXPECT_TRUE(compress(how, text, 3, 17 * 1024 * 1024) == one);
  }
}

TEST(Compress, OtherProgramsReadTheResult) {
  const std::string text = sample_text(3'000'000) + noise(2'000'000);
  const std::string hash = sha256(text).str().substr(7);
  EXPECT_THAT(by_tool("gzip -t", compress(Compression::gzip, text, 2)), "");
  EXPECT_THAT(by_tool("gzip -dc | sha256sum", compress(Compression::gzip, text, 2)),
              HasSubstr(hash));
  EXPECT_THAT(by_tool("gzip -dc | wc -c", compress(Compression::gzip, "", 1)), "0\n");
  EXPECT_THAT(by_tool("zstd -dc | sha256sum", compress(Compression::zstd, text, 2)),
              HasSubstr(hash));
  EXPECT_THAT(by_tool("zstd -dc | wc -c", compress(Compression::zstd, "", 1)), "0\n");
}

TEST(Compress, GzipMembersHaveNoTimeNorSystem) {
  const std::string gz = compress(Compression::gzip, sample_text(5'000'000), 2);
  EXPECT_EQ(gz.substr(0, 10), std::string("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10));
  const std::string header = gz.substr(0, 10);
  std::size_t members = 0;
  for (std::size_t at = gz.find(header); at != std::string::npos; at = gz.find(header, at + 10))
    ++members;
  EXPECT_GT(members, 8U);  // of half a megabyte at most
}

TEST(Compress, GzipIsAtMostATenthLargerThanGzips) {
  const std::string text = run("cat /usr/lib/x86_64-linux-gnu/lib[a-d]*.so.* | head -c 40000000");
  const std::string gz = by_tool("gzip -6 -nc", text);
  const std::string ours = compress(Compression::gzip, text, 2);
  EXPECT_LT(static_cast<double>(ours.size()), 1.1 * static_cast<double>(gz.size()));
}

TEST(Compress, HashesWhatIsWrittenWhateverTheThreadsDo) {
  for (const Compression how : {Compression::none, Compression::gzip, Compression::zstd}) {
    for (const int threads : {1, 4}) {
      for (const auto& [name, text] : cases()) {
        StringSink out(1U << 30);
        Sha256 input;
        const auto sink = make_compressor(how, out, threads, {}, &input);
        sink->write(as_bytes(text));
        sink->finish();
        EXPECT_EQ(input.finish(), sha256(text)) << name << ", " << threads << " threads";
      }
    }
  }
}

TEST(Compress, AFailingSinkFailsTheWriterAndEndsTheThreads) {
  class Full final : public Sink {
   public:
    void write(Bytes) override {
      if (++writes_ > 2) throw Error(Errc::unavailable, "disk full");
    }

   private:
    int writes_ = 0;
  };
  Full full;
  const auto sink = make_compressor(Compression::gzip, full, 4);
  const std::string text = noise(32 * 1024 * 1024);
  EXPECT_THROW(sink->write(as_bytes(text)), Error);
}

TEST(Decompress, ReadsSeveralMembersFramesAndFormats) {
  const std::string text = sample_text(300'000);
  const std::string gz = by_tool("gzip -nc", text);
  const std::string zst = by_tool("zstd -qc", text);
  EXPECT_TRUE(decompress(gz + gz) == text + text);
  EXPECT_TRUE(decompress(gz + std::string(700, '\0')) == text);
  EXPECT_TRUE(decompress(zst + zst) == text + text);
  EXPECT_TRUE(decompress(by_tool("xz -c", text), true) == text);
  EXPECT_TRUE(decompress(by_tool("bzip2 -c", text), true) == text);
  EXPECT_TRUE(decompress(text, true) == text);
  EXPECT_TRUE(decompress("", true).empty());
}

TEST(Decompress, TakesItsInputByteByByte) {
  const std::string text = sample_text(40'000);
  const std::string gz = by_tool("gzip -nc", text);
  EXPECT_TRUE(decompress(gz + gz, false, 1) == text + text);
  EXPECT_TRUE(decompress(by_tool("zstd -qc", text), false, 1) == text);
  EXPECT_TRUE(decompress(by_tool("xz -c", text), true, 1) == text);
}

TEST(Decompress, LeavesArchiveFormatsOfAddAloneInLayers) {
  const std::string xz = by_tool("xz -c", "hello");
  EXPECT_TRUE(decompress(xz, false) == xz);
}

TEST(Decompress, EveryTruncationIsAnError) {
  const std::string text = sample_text(200'000);
  for (const char* tool : {"gzip -nc", "zstd -qc", "xz -c", "bzip2 -c"}) {
    const std::string whole = by_tool(tool, text);
    for (const std::size_t cut :
         {std::size_t{7}, whole.size() / 2, whole.size() - 5, whole.size() - 1}) {
      EXPECT_EQ(error_of(whole.substr(0, cut), true), Errc::corrupt) << tool << " " << cut;
    }
  }
}

TEST(Decompress, DamageIsAnError) {
  const std::string text = sample_text(200'000);
  for (const char* tool : {"gzip -nc", "zstd -qc", "xz -c", "bzip2 -c"}) {
    std::string bytes = by_tool(tool, text);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x55);
    EXPECT_EQ(error_of(bytes, true), Errc::corrupt) << tool;
  }
  std::string sum = by_tool("gzip -nc", text);
  sum[sum.size() - 6] = static_cast<char>(sum[sum.size() - 6] ^ 1);
  EXPECT_EQ(error_of(sum), Errc::corrupt);
  EXPECT_EQ(error_of(by_tool("gzip -nc", text) + "junk"), Errc::corrupt);
}

TEST(Compress, MediaTypesAreOcis) {
  EXPECT_EQ(layer_media_type(Compression::none), oci::kLayer);
  EXPECT_EQ(layer_media_type(Compression::gzip), oci::kLayerGzip);
  EXPECT_EQ(layer_media_type(Compression::zstd), oci::kLayerZstd);
}

}  // namespace
}  // namespace kiln::layer
