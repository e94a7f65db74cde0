#include "builder/layer/write_layer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "builder/layer/apply_layer.h"
#include "proto/error.h"
#include "tests/unit/layer/tree.h"

namespace kiln::layer {
namespace {

namespace fs = std::filesystem;
using testing::describe;
using ::testing::HasSubstr;
using testing::make_whiteout;
using ::testing::Not;
using testing::put_file;
using testing::run;
using testing::set_mtime;
using testing::set_xattr;

class WriteLayer : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: owners, devices and trusted.* attributes";
  }

  LayerBlob write(const fs::path& snapshot, WriteOptions options = {}) {
    return write_layer(snapshot, options, blobs_, {});
  }
  Applied apply(const LayerBlob& layer, const fs::path& target) {
    return apply_layer(blobs_.open(layer.descriptor.digest), os::Dir::open(target), {});
  }
  std::string blob(const LayerBlob& layer) { return blobs_.path(layer.descriptor.digest).string(); }
  std::string list(const LayerBlob& layer) { return run("tar -tf " + blob(layer)); }

  testing::Scratch scratch_;
  store::BlobStore blobs_{scratch_.path() / "store"};
};

// One of everything that a snapshot can hold.
void fill(const fs::path& root) {
  put_file(root / "etc/passwd", "root:x:0:0\n");
  put_file(root / "bin/su", "#!", 04755);
  put_file(root / "empty", "");
  fs::create_hard_link(root / "bin/su", root / "bin/su-again");
  fs::create_hard_link(root / "bin/su", root / "a-first-name");
  fs::create_symlink("../etc/passwd", root / "bin/link");
  fs::create_symlink("/" + std::string(300, 'l'), root / "long-link");
  fs::create_hard_link(root / "bin/link", root / "bin/link-too");
  put_file(root / std::string(255, 'n') / std::string(200, 'm') / "deep", "deep");
  put_file(root / "h\xc3\xa9llo \xe2\x98\x83", "utf-8");
  put_file(root / "latin-\xe9\xff", "not utf-8");
  put_file(root / "with\nnewline and 'quotes'", "odd");
  fs::create_symlink("to-\xe9", root / "latin-link");
  put_file(root / "owned", "mine", 0640);
  ASSERT_EQ(::chown((root / "owned").c_str(), 1000, 3'000'000'000U), 0);
  set_xattr(root / "owned", "user.note", std::string("bin\0ary=\n", 9));
  set_xattr(root / "bin/su", "security.capability",
            std::string("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20));
  set_xattr(root / "etc", "user.dir", "value");
  ASSERT_EQ(::mkfifo((root / "fifo").c_str(), 0620), 0);
  ASSERT_EQ(::mknod((root / "null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
  ASSERT_EQ(::mknod((root / "disk").c_str(), S_IFBLK | 0660, makedev(259, 65537)), 0);
  fs::create_directories(root / "opaque");
  put_file(root / "opaque/inside", "x");
  set_xattr(root / "opaque", "trusted.overlay.opaque", "y");
  make_whiteout(root / "gone");
  make_whiteout(root / "etc/gone too");
  make_whiteout(root / "opaque/gone");
  ASSERT_EQ(::chmod((root / "etc").c_str(), 03555), 0);
  set_mtime(root / "etc/passwd", 1'000'000'000);
  set_mtime(root / "bin/link", 999);
  set_mtime(root / "empty", -86400);
  set_mtime(root / "owned", 10'000'000'000);  // beyond what a plain header can say
  set_mtime(root / "etc", 1'234'567'890);
  set_mtime(root / "opaque", 5);
}

TEST_F(WriteLayer, ARoundTripKeepsEverything) {
  const fs::path from = scratch_.make("from");
  fill(from);
  const auto expected = describe(from);
  ASSERT_GT(expected.size(), 25U);
  for (const Compression how : {Compression::none, Compression::gzip, Compression::zstd}) {
    const LayerBlob layer = write(from, {.compression = how, .threads = 2, .epoch = {}});
    const fs::path to = scratch_.make(fmt::format("to-{}", static_cast<int>(how)));
    const Applied applied = apply(layer, to);
    EXPECT_EQ(describe(to), expected);
    EXPECT_EQ(applied.diff_id, layer.diff_id);
    EXPECT_EQ(applied.tar_bytes, layer.tar_bytes);
  }
}

TEST_F(WriteLayer, ARoundTripThroughASecondBlobGivesTheSameBytes) {
  const fs::path from = scratch_.make("from");
  fill(from);
  const LayerBlob first = write(from);
  const fs::path to = scratch_.make("to");
  apply(first, to);
  EXPECT_EQ(write(to).descriptor, first.descriptor);
}

TEST_F(WriteLayer, BytesDoNotDependOnThreadsNorOnTheOrderOfCreation) {
  const fs::path one = scratch_.make("one");
  const fs::path two = scratch_.make("two");
  std::vector<int> order(60);
  for (int i = 0; i < 60; ++i)
    order[static_cast<std::size_t>(i)] = i;
  for (const fs::path& root : {one, two}) {
    for (const int i : order)
      put_file(root / fmt::format("d{}", i % 7) / std::to_string(i), testing::noise(100'000, 3));
    for (const auto& entry : fs::recursive_directory_iterator(root))
      set_mtime(entry.path(), 42);
    std::ranges::reverse(order);
  }
  const LayerBlob a = write(one, {.compression = Compression::gzip, .threads = 1, .epoch = {}});
  const LayerBlob b = write(two, {.compression = Compression::gzip, .threads = 4, .epoch = {}});
  EXPECT_EQ(a.descriptor, b.descriptor);
  EXPECT_EQ(a.diff_id, b.diff_id);
}

TEST_F(WriteLayer, DescribesTheBlobAndTheTar) {
  const fs::path from = scratch_.make("from");
  put_file(from / "a", testing::sample_text(100'000));
  const LayerBlob layer = write(from);
  EXPECT_EQ(layer.descriptor.media_type, "application/vnd.oci.image.layer.v1.tar+gzip");
  EXPECT_EQ(layer.descriptor.size_bytes, fs::file_size(blob(layer)));
  EXPECT_THAT(run("sha256sum < " + blob(layer)),
              HasSubstr(std::string(layer.descriptor.digest.hex())));
  EXPECT_THAT(run("zcat < " + blob(layer) + " | sha256sum"),
              HasSubstr(std::string(layer.diff_id.digest.hex())));
  EXPECT_EQ(run("zcat < " + blob(layer) + " | wc -c"), fmt::format("{}\n", layer.tar_bytes));
}

TEST_F(WriteLayer, EntriesAreSortedMarkersFirstAndGnuTarReadsThem) {
  const fs::path from = scratch_.make("from");
  put_file(from / "b/x", "");
  put_file(from / "b-c", "");
  put_file(from / "a", "");
  make_whiteout(from / "z");
  make_whiteout(from / "b/zz");
  set_xattr(from / "b", "trusted.overlay.opaque", "y");
  EXPECT_EQ(list(write(from)), ".wh.z\na\nb/\nb/.wh..wh..opq\nb/.wh.zz\nb/x\nb-c\n");
}

TEST_F(WriteLayer, WritesNoNamesNoInodesAndNoPaxHeaderWithoutNeed) {
  const fs::path from = scratch_.make("from");
  put_file(from / "a", "text");
  const LayerBlob layer =
      write(from, {.compression = Compression::none, .threads = 1, .epoch = {}});
  EXPECT_EQ(layer.tar_bytes, 512U + 512U + 1024U);
  EXPECT_THAT(run("tar -tvf " + blob(layer)), HasSubstr("-rw-r--r-- 0/0"));
}

TEST_F(WriteLayer, GnuTarAgreesOnNamesLinksAndAttributes) {
  const fs::path from = scratch_.make("from");
  fill(from);
  fs::remove(from / "gone");
  fs::remove(from / "etc/gone too");
  fs::remove(from / "opaque/gone");
  ::removexattr((from / "opaque").c_str(), "trusted.overlay.opaque");
  set_mtime(from / "etc", 7);
  set_mtime(from / "opaque", 7);
  const fs::path to = scratch_.make("to");
  EXPECT_THAT(run("tar --xattrs --xattrs-include='*' --numeric-owner -xpf " + blob(write(from)) +
                  " -C " + to.string()),
              Not(HasSubstr("exit")));
  EXPECT_EQ(describe(to), describe(from));
}

TEST_F(WriteLayer, ClampsLaterTimesToTheEpoch) {
  const fs::path from = scratch_.make("from");
  put_file(from / "old", "");
  put_file(from / "new", "");
  make_whiteout(from / "gone");
  set_mtime(from / "old", 1000);
  set_mtime(from / "new", 3000);
  const LayerBlob layer =
      write(from, {.compression = Compression::gzip, .threads = 1, .epoch = 2000});
  const std::string times = run("TZ=UTC tar --full-time -tvf " + blob(layer));
  EXPECT_THAT(times, HasSubstr("1970-01-01 00:16:40 old"));
  EXPECT_THAT(times, HasSubstr("1970-01-01 00:33:20 new"));
  EXPECT_THAT(times, HasSubstr("1970-01-01 00:33:20 .wh.gone"));
}

TEST_F(WriteLayer, ImpliedDirectoriesGetNoEntry) {
  const fs::path from = scratch_.make("from");
  put_file(from / "a/b/x", "x");
  put_file(from / "c/x", "x");
  fs::create_directory(from / "o");
  set_xattr(from / "o", "trusted.overlay.opaque", "y");
  EXPECT_EQ(list(write(from, {.epoch = {}, .implied = {"a", "c", "o"}})),
            "a/b/\na/b/x\nc/x\no/.wh..wh..opq\n");
}

TEST_F(WriteLayer, LeavesOutSocketsAndOverlaysOwnAttributes) {
  const fs::path from = scratch_.make("from");
  put_file(from / "file", "x");
  set_xattr(from / "file", "trusted.overlay.origin", "secret");
  set_xattr(from / "file", "user.overlay.opaque", "y");
  set_xattr(from / "file", "user.kept", "1");
  ASSERT_EQ(::mknod((from / "socket").c_str(), S_IFSOCK | 0600, 0), 0);
  const LayerBlob layer = write(from);
  EXPECT_EQ(list(layer), "file\n");
  const fs::path to = scratch_.make("to");
  apply(layer, to);
  EXPECT_THAT(describe(to).at("file"), HasSubstr("{user.kept=31}"));
}

TEST_F(WriteLayer, RefusesWhatALayerCannotSay) {
  const fs::path from = scratch_.make("from");
  put_file(from / "d/.wh.file", "");
  EXPECT_THROW(write(from), Error);
  fs::remove(from / "d/.wh.file");
  EXPECT_NO_THROW(write(from));
  set_xattr(from / "d", "trusted.overlay.redirect", "/etc");
  EXPECT_THROW(write(from), Error);
}

TEST_F(WriteLayer, ALargeSparseFileArrivesAsOne) {
  const fs::path from = scratch_.make("from");
  const std::uint64_t size = 60U * 1024 * 1024 + 17;
  {
    const os::Fd fd = os::open_file(from / "big", O_WRONLY | O_CREAT, 0644);
    ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
    ASSERT_EQ(::pwrite(fd.get(), "middle", 6, 30'000'000), 6);
  }
  put_file(from / "zeros", std::string(70'000, '\0'));
  const LayerBlob layer = write(from);
  EXPECT_LT(layer.descriptor.size_bytes, 4'000'000U);
  const fs::path to = scratch_.make("to");
  EXPECT_EQ(apply(layer, to).content_bytes, size + 70'000);
  EXPECT_EQ(describe(to), describe(from));
  struct stat status{};
  ASSERT_EQ(::stat((to / "big").c_str(), &status), 0);
  EXPECT_LT(status.st_blocks * 512, 4'000'000);
}

TEST_F(WriteLayer, WalksDeeperThanThereAreDescriptors) {
  struct rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const struct rlimit few{150, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  const fs::path from = scratch_.make("from");
  fs::path deep = from;
  for (int i = 0; i < 300; ++i)
    deep /= "d";
  fs::create_directories(deep);
  const fs::path to = scratch_.make("to");
  EXPECT_NO_THROW(apply(write(from), to));
  EXPECT_EQ(run("find " + to.string() + " -type d | wc -l"), "301\n");
  // The scratch directory itself is removed with a descriptor a level.
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST_F(WriteLayer, StopsWhenAskedAndLeavesNothingInTheStore) {
  const fs::path from = scratch_.make("from");
  put_file(from / "a", "x");
  std::stop_source stop;
  stop.request_stop();
  try {
    static_cast<void>(write_layer(from, {}, blobs_, stop.get_token()));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::cancelled);
  }
  EXPECT_TRUE(fs::is_empty(scratch_.path() / "store/tmp"));
  EXPECT_TRUE(fs::is_empty(scratch_.path() / "store/blobs/sha256"));
}

TEST_F(WriteLayer, AFileThatShrinksIsAnErrorThatNamesIt) {
  const fs::path from = scratch_.make("from");
  put_file(from / "shrinks", testing::noise(8 * 1024 * 1024));
  // Once its header and first bytes have passed, the file is cut.
  class Cutter final : public Sink {
   public:
    explicit Cutter(fs::path file) : file_(std::move(file)) {}
    void write(Bytes bytes) override {
      bytes_ += bytes.size();
      if (bytes_ > 2'000'000) fs::resize_file(file_, 100);
    }

   private:
    fs::path file_;
    std::size_t bytes_ = 0;
  };
  Cutter cutter(from / "shrinks");
  try {
    write_tree(from, cutter, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("shrinks: it became shorter"));
  }
}

TEST_F(WriteLayer, WriteTreeKeepsNamesThatWouldBeMarkers) {
  const fs::path from = scratch_.make("from");
  put_file(from / ".wh.x", "file");
  StringSink tar(1 << 20);
  write_tree(from, tar, {});
  EXPECT_EQ(tar.text().size(), 512U + 512U + 1024U);
  EXPECT_TRUE(tar.text().starts_with(".wh.x"));
}

TEST_F(WriteLayer, UmociUnpacksIt) {
  if (run("command -v umoci").empty()) GTEST_SKIP() << "umoci is not installed";
  const fs::path image = scratch_.path() / "image";
  const std::string layout = image.string();
  ASSERT_THAT(run("umoci init --layout " + layout), "");
  ASSERT_THAT(run("umoci new --image " + layout + ":t"), Not(HasSubstr("exit")));
  const fs::path from = scratch_.make("from");
  fill(from);
  const LayerBlob layer =
      write(from, {.compression = Compression::none, .threads = 2, .epoch = {}});
  EXPECT_THAT(run("umoci raw add-layer --image " + layout + ":t " + blob(layer)),
              Not(HasSubstr("exit")));
  EXPECT_THAT(run("umoci unpack --image " + layout + ":t " + (scratch_.path() / "b").string()),
              Not(HasSubstr("exit")));
  auto unpacked = describe(scratch_.path() / "b/rootfs");
  for (const char* name : {"bin/su", "bin/link", "null", "latin-\xe9\xff", "fifo"}) {
    EXPECT_EQ(unpacked[name], describe(from)[name]) << name;
  }
}

}  // namespace
}  // namespace kiln::layer
