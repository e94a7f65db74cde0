#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "builder/layer/apply_layer.h"
#include "proto/error.h"
#include "tests/unit/layer/tar_bytes.h"
#include "tests/unit/layer/tree.h"

namespace kiln::layer {
namespace {

namespace fs = std::filesystem;
using testing::describe;
using testing::DripSource;
using ::testing::HasSubstr;
using testing::put_file;
using testing::raw_entry;
using testing::run;
using testing::tar_end;

std::string file(const std::string& name, const std::string& content = "x") {
  return raw_entry({.name = name, .content = content, .link = {}, .uid = 12, .gid = 13});
}

class UnpackArchive : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: owners";
    put_file(scratch_.path() / "outside/secret", "untouched");
    root_ = scratch_.make("root");
  }

  void unpack(const std::string& bytes,
              const std::string& destination,
              UnpackOptions options = {}) {
    const fs::path target = root_ / fs::path(destination).relative_path();
    fs::create_directories(target);
    unpack_archive(std::make_unique<DripSource>(bytes, 10'000), os::Dir::open(target), options, {});
  }

  bool archive(const std::string& bytes) {
    put_file(scratch_.path() / "candidate", bytes);
    const os::Fd fd = os::open_file(scratch_.path() / "candidate", O_RDONLY);
    const bool result = is_archive(fd.get());
    EXPECT_EQ(::lseek(fd.get(), 0, SEEK_CUR), 0);
    return result;
  }

  std::string piped(const std::string& tool, const std::string& bytes) {
    put_file(scratch_.path() / "plain", bytes);
    return run(tool + " < " + (scratch_.path() / "plain").string());
  }

  testing::Scratch scratch_;
  fs::path root_;
};

TEST_F(UnpackArchive, KeepsTheArchivesOwnersUnlessToldOtherwise) {
  unpack(file("a") + tar_end(), "/opt/app/");
  EXPECT_THAT(describe(root_).at("opt/app/a"), HasSubstr("100644 12:13"));
  unpack(file("a") + tar_end(), "opt/app", {.uid = 1, .gid = 2});
  EXPECT_THAT(describe(root_).at("opt/app/a"), HasSubstr("100644 1:2"));
}

TEST_F(UnpackArchive, MergesIntoWhatIsThere) {
  put_file(root_ / "d/kept", "kept");
  put_file(root_ / "d/file", "old");
  unpack(raw_entry({.name = "d/", .type = '5', .content = {}, .link = {}, .mode = 0700}) +
             file("d/file", "new") + tar_end(),
         "");
  EXPECT_EQ(os::read_file(root_ / "d/kept", 10), "kept");
  EXPECT_EQ(os::read_file(root_ / "d/file", 10), "new");
  EXPECT_THAT(describe(root_).at("d"), HasSubstr("040700"));
}

TEST_F(UnpackArchive, ItsRootEntrySaysNothingAboutTheDirectory) {
  unpack(raw_entry({.name = "./", .type = '5', .content = {}, .link = {}, .mode = 0700}) +
             file("./a") + tar_end(),
         "d");
  EXPECT_THAT(describe(root_).at("d"), HasSubstr("040755"));
  EXPECT_TRUE(fs::exists(root_ / "d/a"));
}

TEST_F(UnpackArchive, ADirectoryGoesIntoWhatALinkOfItsNameLeadsTo) {
  put_file(root_ / "usr/lib/kept", "kept");
  fs::create_symlink("usr/lib", root_ / "lib");
  fs::create_symlink("nowhere", root_ / "gone");
  unpack(raw_entry({.name = "lib/", .type = '5', .content = {}, .link = {}, .mode = 0711}) +
             file("lib/new") +
             raw_entry({.name = "gone/", .type = '5', .content = {}, .link = {}, .mode = 0700}) +
             tar_end(),
         "/");
  EXPECT_TRUE(fs::is_symlink(root_ / "lib"));
  EXPECT_TRUE(fs::exists(root_ / "usr/lib/new"));
  EXPECT_THAT(describe(root_).at("usr/lib"), HasSubstr("040711"));
  EXPECT_FALSE(fs::is_symlink(root_ / "gone"));
}

TEST_F(UnpackArchive, ResolvesLinksAsInsideTheRoot) {
  fs::create_directories(root_ / "real");
  fs::create_symlink("/real", root_ / "absolute");
  fs::create_symlink("../../../../outside", root_ / "out");
  unpack(file("absolute/a") + tar_end(), "/");
  EXPECT_TRUE(fs::exists(root_ / "real/a"));
  fs::create_directories(root_ / "deep/real");
  fs::create_symlink("/real", root_ / "deep/absolute");
  unpack(file("absolute/b") + tar_end(), "/deep");
  EXPECT_TRUE(fs::exists(root_ / "deep/real/b"));
  // What leads to a place that is not there is an error, inside as well as outside.
  EXPECT_THROW(unpack(file("out/secret") + tar_end(), "/"), Error);
  const std::string outside = (scratch_.path() / "outside").string();
  EXPECT_THROW(unpack(raw_entry({.name = "door", .type = '2', .content = {}, .link = outside}) +
                          file("door/secret", "overwritten") + tar_end(),
                      "/"),
               Error);
  EXPECT_EQ(os::read_file(scratch_.path() / "outside/secret", 100), "untouched");
  EXPECT_EQ(describe(scratch_.path() / "outside").size(), 1U);
}

TEST_F(UnpackArchive, MarkersAreOrdinaryNames) {
  put_file(root_ / "a", "stays");
  unpack(file(".wh.a", "text") + file("d/.wh..wh..opq") + tar_end(), "/");
  EXPECT_EQ(os::read_file(root_ / "a", 10), "stays");
  EXPECT_EQ(os::read_file(root_ / ".wh.a", 10), "text");
  EXPECT_TRUE(fs::exists(root_ / "d/.wh..wh..opq"));
}

TEST_F(UnpackArchive, RefusesNamesThatLeadOutOfTheArchive) {
  EXPECT_THROW(unpack(file("../x") + tar_end(), "/opt"), Error);
  EXPECT_FALSE(fs::exists(root_ / "x"));
}

TEST_F(UnpackArchive, ReadsEveryFormatThatAddKnows) {
  const std::string tar = file("a", testing::sample_text(50'000)) + tar_end();
  for (const char* tool : {"cat", "gzip -c", "bzip2 -c", "xz -c", "zstd -qc"}) {
    const std::string bytes = piped(tool, tar);
    EXPECT_TRUE(archive(bytes)) << tool;
    fs::remove(root_ / "a");
    unpack(bytes, "/");
    EXPECT_EQ(fs::file_size(root_ / "a"), 50'000U) << tool;
  }
}

TEST_F(UnpackArchive, OtherFilesAreNoArchives) {
  const std::string text = testing::sample_text(5000);
  for (const char* tool : {"cat", "gzip -c", "bzip2 -c", "xz -c", "zstd -qc"})
    EXPECT_FALSE(archive(piped(tool, text))) << tool;
  EXPECT_FALSE(archive(""));
  EXPECT_FALSE(archive(std::string("\x1f\x8b") + text));
  EXPECT_FALSE(archive(tar_end()));
  std::string wrong_sum = file("a") + tar_end();
  wrong_sum[0] = 'b';
  EXPECT_FALSE(archive(wrong_sum));
  EXPECT_TRUE(archive(file("a") + tar_end()));
}

TEST(BeginsArchive, TakesTarsAndCompressedBytesAtTheirFirstBlock) {
  const std::string tar = file("a") + tar_end();
  EXPECT_TRUE(begins_archive(as_bytes(tar)));
  EXPECT_TRUE(begins_archive(as_bytes(tar_end()))) << "an archive without members";
  EXPECT_TRUE(begins_archive(as_bytes("\x1f\x8b\x08")));
  EXPECT_TRUE(begins_archive(as_bytes("BZh9")));
  EXPECT_TRUE(begins_archive(as_bytes("\x28\xb5\x2f\xfd")));
  EXPECT_FALSE(begins_archive(as_bytes("")));
  EXPECT_FALSE(begins_archive(as_bytes("FROM scratch\n")));
  EXPECT_FALSE(begins_archive(as_bytes(tar.substr(0, 511))));
  EXPECT_FALSE(begins_archive(as_bytes("# a long Dockerfile\n" + std::string(600, 'x'))));
}

}  // namespace
}  // namespace kiln::layer
