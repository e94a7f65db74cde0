#include "builder/layer/outside_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "builder/layer/write_layer.h"
#include "proto/error.h"
#include "tests/unit/layer/tree.h"

namespace kiln::layer {
namespace {

namespace fs = std::filesystem;
using testing::make_whiteout;
using testing::put_file;
using testing::set_mtime;

/// Files that lie in another directory under the same paths.
class FilesElsewhere final : public OutsideFiles {
 public:
  explicit FilesElsewhere(fs::path root) : root_(std::move(root)) {}

  void add(const std::string& directory, const std::string& name) {
    directories_[directory].emplace(name, paths_.size());
    paths_.push_back(root_ / directory / name);
  }

  [[nodiscard]] const Names* in(std::string_view directory) const override {
    const auto found = directories_.find(directory);
    return found == directories_.end() ? nullptr : &found->second;
  }

  [[nodiscard]] Opened open(std::size_t file) override {
    Opened opened{os::open_file(paths_.at(file), O_RDONLY), {}, 0};
    struct stat status{};
    EXPECT_EQ(::fstat(opened.fd.get(), &status), 0);
    opened.attributes = {status.st_mode & 07777, status.st_uid,
                         status.st_gid,          status.st_mtim.tv_sec,
                         status.st_mtim.tv_nsec, read_xattrs(opened.fd.get(), "it")};
    opened.size_bytes = static_cast<std::uint64_t>(status.st_size) + missing_bytes;
    return opened;
  }

  void check(std::size_t /*file*/, const Opened& /*opened*/) const override {
    if (changes) throw Error(Errc::unavailable, "it changed");
  }

  bool changes = false;
  std::uint64_t missing_bytes = 0;

 private:
  fs::path root_;
  std::vector<fs::path> paths_;
  std::map<std::string, Names, std::less<>> directories_;
};

class OutsideFilesInLayer : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: trusted.* attributes and devices";
    for (const fs::path& root : {whole_, part_}) {
      put_file(root / "d/b", "b");
      put_file(root / "d/sub/x", "x");
      fs::create_symlink("b", root / "d/link");
      make_whiteout(root / "d/zz-gone");
    }
    for (const fs::path& root : {whole_, elsewhere_}) {
      put_file(root / "d/a", std::string(3'000'000, 'a'), 0755);
      put_file(root / "d/m", "m");
      put_file(root / "top", "", 04711);
      testing::set_xattr(root / "d/m", "user.note", "kept");
      set_mtime(root / "d/a", 1'600'000'000);
    }
    for (const char* path : {"d/b", "d/sub/x", "d/sub", "d"}) {
      set_mtime(whole_ / path, 1'500'000'000);
      set_mtime(part_ / path, 1'500'000'000);
    }
    for (const char* path : {"d/m", "top"}) {
      set_mtime(whole_ / path, 1'500'000'000);
      set_mtime(elsewhere_ / path, 1'500'000'000);
    }
    for (const fs::path& path : {whole_ / "d/link", part_ / "d/link"}) {
      const timespec times[2] = {{5, 0}, {5, 0}};
      ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
    }
    files_.add("d", "a");
    files_.add("d", "m");
    files_.add("", "top");
  }

  LayerBlob write(const fs::path& snapshot, OutsideFiles* outside) {
    WriteOptions options;
    options.outside = outside;
    return write_layer(snapshot, options, blobs_, {});
  }

  testing::Scratch scratch_;
  store::BlobStore blobs_{scratch_.path() / "store"};
  fs::path whole_ = scratch_.make("whole");
  fs::path part_ = scratch_.make("part");
  fs::path elsewhere_ = scratch_.make("elsewhere");
  FilesElsewhere files_{elsewhere_};
};

TEST_F(OutsideFilesInLayer, GiveTheSameLayerAsFilesInItsDirectory) {
  EXPECT_EQ(write(part_, &files_).descriptor.digest, write(whole_, nullptr).descriptor.digest);
}

TEST_F(OutsideFilesInLayer, HideWhatTheDirectoryHasOfTheirNames) {
  put_file(part_ / "d/a", "another");
  make_whiteout(part_ / "d/m");
  set_mtime(part_ / "d", 1'500'000'000);
  EXPECT_EQ(write(part_, &files_).descriptor.digest, write(whole_, nullptr).descriptor.digest);
}

TEST_F(OutsideFilesInLayer, LeaveNothingWhenOneChanged) {
  files_.changes = true;
  EXPECT_THROW((void)write(part_, &files_), Error);
  EXPECT_TRUE(fs::is_empty(scratch_.path() / "store/blobs/sha256") ||
              !fs::exists(scratch_.path() / "store/blobs/sha256"));
}

TEST_F(OutsideFilesInLayer, AreRefusedWhenTheyBecameShorter) {
  files_.missing_bytes = 1;
  EXPECT_THROW((void)write(part_, &files_), Error);
}

}  // namespace
}  // namespace kiln::layer
