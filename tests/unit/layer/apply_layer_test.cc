#include "builder/layer/apply_layer.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>

#include "builder/os/fd.h"
#include "proto/error.h"
#include "tests/unit/layer/tar_bytes.h"
#include "tests/unit/layer/tree.h"

namespace kiln::layer {
namespace {

namespace fs = std::filesystem;
using testing::describe;
using testing::DripSource;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::pax_entry;
using testing::pax_record;
using testing::put_file;
using testing::raw_entry;
using testing::RawEntry;
using testing::tar_end;

class ApplyLayer : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: owners, devices and trusted.* attributes";
    put_file(scratch_.path() / "outside/secret", "untouched");
    target_ = scratch_.make("target");
  }

  void TearDown() override {
    if (::geteuid() != 0) return;
    // Whatever the archive said, nothing happened beside the target.
    EXPECT_EQ(describe(scratch_.path() / "outside").size(), 1U);
    EXPECT_EQ(os::read_file(scratch_.path() / "outside/secret", 100), "untouched");
    struct stat status{};
    ASSERT_EQ(::stat((scratch_.path() / "outside/secret").c_str(), &status), 0);
    EXPECT_EQ(status.st_nlink, 1U);
    EXPECT_EQ(std::distance(fs::directory_iterator(scratch_.path()), {}), 2);
  }

  Applied apply(const std::string& bytes) {
    return apply_layer(std::make_unique<DripSource>(bytes, 10'000), os::Dir::open(target_), {});
  }

  /// The error that applying gives; "" for none.
  std::string error(const std::string& bytes, Errc code = Errc::corrupt) {
    try {
      static_cast<void>(apply(bytes));
    } catch (const Error& failed) {
      EXPECT_EQ(failed.code(), code) << failed.what();
      return failed.what();
    }
    return "";
  }

  std::string kind(const std::string& path) {
    const auto all = describe(target_);
    const auto found = all.find(path);
    return found == all.end() ? "missing" : found->second;
  }

  bool is_opaque(const std::string& path) {
    std::array<char, 4> value{};
    return ::lgetxattr((target_ / path).c_str(), "trusted.overlay.opaque", value.data(), 4) == 1 &&
           value[0] == 'y';
  }

  testing::Scratch scratch_;
  fs::path target_;
};

std::string file(const std::string& name, const std::string& content = "x") {
  return raw_entry({.name = name, .content = content, .link = {}});
}
std::string link(const std::string& name, const std::string& to, char type = '2') {
  return raw_entry({.name = name, .type = type, .content = {}, .link = to});
}
std::string directory(const std::string& name, unsigned mode = 0755) {
  return raw_entry({.name = name, .type = '5', .content = {}, .link = {}, .mode = mode});
}

TEST_F(ApplyLayer, HashesTheTarToItsVeryEnd) {
  const std::string tar = file("a", "hello") + tar_end() + "what follows the end";
  const Applied applied = apply(tar);
  EXPECT_EQ(applied.diff_id.digest, sha256(tar));
  EXPECT_EQ(applied.tar_bytes, tar.size());
  EXPECT_EQ(applied.content_bytes, 5U);
}

TEST_F(ApplyLayer, TakesAnEmptyLayerAndOneWithoutEndMarker) {
  EXPECT_EQ(error(tar_end()), "");
  EXPECT_EQ(error(""), "");
  EXPECT_EQ(error(file("a")), "");
  EXPECT_THAT(kind("a"), HasSubstr("100644"));
}

TEST_F(ApplyLayer, RefusesNamesThatLeadOut) {
  for (const char* name : {"../evil", "a/../../evil", "/../evil", "a/b/../../../evil"})
    EXPECT_THAT(error(file(name) + tar_end()), HasSubstr(name));
  EXPECT_THAT(error(directory("../") + tar_end()), HasSubstr("leads out"));
  EXPECT_THAT(error(file("..") + tar_end()), HasSubstr("leads out"));
}

TEST_F(ApplyLayer, TakesAbsoluteNamesAsRelativeToTheRoot) {
  EXPECT_EQ(error(file("/etc/kiln-test") + file("./b/../c") + tar_end()), "");
  EXPECT_THAT(kind("etc/kiln-test"), HasSubstr("100644"));
  EXPECT_THAT(kind("c"), HasSubstr("100644"));
  EXPECT_FALSE(fs::exists("/etc/kiln-test"));
}

TEST_F(ApplyLayer, FollowsItsOwnLinksBeneathTheRoot) {
  const std::string outside = (scratch_.path() / "outside").string();
  for (const std::string& to : {outside, std::string("../outside"), std::string("../../sub")}) {
    EXPECT_EQ(error(link("door", to) + file("door/secret", "new") + directory("door/dir", 0711) +
                    file("door/.wh.gone") + link("hard", "door/secret", '1') + tar_end()),
              "");
    const std::string led = to == outside ? outside.substr(1) : to.substr(to.rfind('/') + 1);
    EXPECT_THAT(kind("door"), HasSubstr("120777"));
    EXPECT_THAT(kind(led), HasSubstr("040755 0:0"));
    EXPECT_EQ(os::read_file(target_ / led / "secret", 100), "new");
    EXPECT_THAT(kind(led + "/dir"), HasSubstr("040711"));
    EXPECT_EQ(kind(led + "/gone"), "deletion");
    EXPECT_TRUE(fs::equivalent(target_ / "hard", target_ / led / "secret"));
  }
}

TEST_F(ApplyLayer, RefusesLinksInACircle) {
  EXPECT_THAT(error(link("a", "b/x") + link("b", "a/x") + file("a/file") + tar_end()),
              HasSubstr("a/file"));
}

TEST_F(ApplyLayer, SaysWhichDirectoriesHaveNoEntry) {
  EXPECT_THAT(apply(file("a/b/x") + directory("c") + file("c/d/x") + tar_end()).implied,
              ElementsAre("a", "a/b", "c/d"));
  EXPECT_THAT(apply(file("late/x") + directory("late") + tar_end()).implied, IsEmpty());
  EXPECT_THAT(apply(file("gone/sub/x") + file("gone") + tar_end()).implied, IsEmpty());
  EXPECT_THAT(apply(link("l", "usr/l") + file("l/x") + directory("m/y") + tar_end()).implied,
              ElementsAre("m", "usr", "usr/l"));
  EXPECT_THAT(apply(link("n", "o") + file("n/x") + directory("o") + tar_end()).implied, IsEmpty());
}

TEST_F(ApplyLayer, ADirectoryInPlaceOfADeletionHasNothingToAskBelow) {
  EXPECT_THAT(apply(file(".wh.a") + file("a/x") + file("b/x") + file(".wh.b") + tar_end()).implied,
              IsEmpty());
  EXPECT_THAT(apply(file("c/.wh..wh..opq") + file("d/.wh.x") + tar_end()).implied,
              ElementsAre("c", "d"));
}

TEST_F(ApplyLayer, ReplacesALinkInsteadOfFollowingIt) {
  const std::string secret = (scratch_.path() / "outside/secret").string();
  EXPECT_EQ(error(link("a", secret) + file("a", "new") + tar_end()), "");
  EXPECT_THAT(kind("a"), HasSubstr("100644"));
  EXPECT_EQ(error(link("d", secret) + directory("d", 0700) + tar_end()), "");
  EXPECT_THAT(kind("d"), HasSubstr("040700"));
}

TEST_F(ApplyLayer, RefusesHardLinksToWhatTheLayerDoesNotHold) {
  const std::string secret = (scratch_.path() / "outside/secret").string();
  for (const std::string& to : {secret, std::string("missing"), std::string("dir")})
    EXPECT_THAT(error(directory("dir") + link("hard", to, '1') + tar_end()), HasSubstr("hard"));
  EXPECT_THAT(error(link("hard", "../outside/secret", '1') + tar_end()), HasSubstr("leads out"));
  EXPECT_THAT(error(file("self") + link("self", "self", '1') + tar_end()), HasSubstr("itself"));
}

TEST_F(ApplyLayer, ALinkToALinkIsTheLinkItself) {
  const std::string secret = (scratch_.path() / "outside/secret").string();
  EXPECT_EQ(error(link("soft", secret) + link("hard", "soft", '1') + tar_end()), "");
  EXPECT_THAT(kind("hard"), HasSubstr("120777"));
}

TEST_F(ApplyLayer, AFileInTheMiddleOfAPathIsAnError) {
  EXPECT_THAT(error(file("a") + file("a/b") + tar_end()), HasSubstr("a/b"));
}

TEST_F(ApplyLayer, MakesMissingParentsPlainAndRoots) {
  EXPECT_EQ(error(file("x/y/z") + tar_end()), "");
  EXPECT_THAT(kind("x"), HasSubstr("040755 0:0"));
  EXPECT_THAT(kind("x/y"), HasSubstr("040755 0:0"));
}

TEST_F(ApplyLayer, LaterEntriesReplaceEarlierOnes) {
  EXPECT_EQ(error(file("a", "1") + file("a", "22") + directory("d") + file("d/in") + file("d") +
                  file("f") + directory("f", 0711) + tar_end()),
            "");
  EXPECT_THAT(kind("a"), HasSubstr("[2 "));
  EXPECT_THAT(kind("d"), HasSubstr("100644"));
  EXPECT_THAT(kind("f"), HasSubstr("040711"));
}

TEST_F(ApplyLayer, DirectoriesKeepTheirTimesAndModesWhateverTheyHold) {
  RawEntry ro{.name = "ro", .type = '5', .content = {}, .link = {}, .mode = 0555, .mtime = 1234};
  EXPECT_EQ(
      error(raw_entry(ro) + file("ro/in") + directory("ro/sub") + file("ro/sub/in") + tar_end()),
      "");
  EXPECT_THAT(kind("ro"), HasSubstr("040555 0:0 t1234"));
}

TEST_F(ApplyLayer, TheRootEntrySetsTheRootsAttributes) {
  EXPECT_EQ(error(directory("./", 0711) + file("./a") + tar_end()), "");
  struct stat status{};
  ASSERT_EQ(::stat(target_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode, S_IFDIR | 0711U);
  EXPECT_EQ(status.st_mtim.tv_sec, 0);
  EXPECT_THAT(error(link(".", "/etc") + tar_end()), HasSubstr("root"));
}

TEST_F(ApplyLayer, WhiteoutsBecomeOverlaysDeletions) {
  EXPECT_EQ(error(file(".wh.gone") + directory("d") + file("d/.wh.too") + file("d/.wh..wh..opq") +
                  tar_end()),
            "");
  EXPECT_EQ(kind("gone"), "deletion");
  EXPECT_EQ(kind("d/too"), "deletion");
  EXPECT_TRUE(is_opaque("d"));
  EXPECT_EQ(describe(target_).size(), 3U);
}

TEST_F(ApplyLayer, WhatTheLayerItselfHoldsWinsOverItsWhiteouts) {
  EXPECT_EQ(error(file(".wh.a") + file("a") + file("b") + file(".wh.b") + file(".wh.c") +
                  directory("c") + file("c/in") + directory("d") + file("d/in") + file(".wh.d") +
                  file(".wh.e") + file("e/in") + tar_end()),
            "");
  EXPECT_THAT(kind("a"), HasSubstr("100644"));
  EXPECT_THAT(kind("b"), HasSubstr("100644"));
  for (const char* replaced : {"c", "d", "e"}) {
    // The directory below is gone: nothing of it may show through the new one.
    EXPECT_TRUE(is_opaque(replaced)) << replaced;
    EXPECT_THAT(kind(std::string(replaced) + "/in"), HasSubstr("100644"));
  }
}

TEST_F(ApplyLayer, IgnoresAufsBookkeepingAndRefusesNamelessDeletions) {
  EXPECT_EQ(error(directory(".wh..wh.plnk") + file(".wh..wh.plnk/123.45") + file(".wh..wh.aufs") +
                  file("d/.wh..wh.orph/x") + tar_end()),
            "");
  EXPECT_TRUE(describe(target_).empty());
  for (const char* name : {".wh.", ".wh..", ".wh..."})
    EXPECT_THAT(error(file(name) + tar_end()), HasSubstr("no name"));
}

TEST_F(ApplyLayer, DropsOverlaysOwnAttributes) {
  const auto xattrs = pax_record("SCHILY.xattr.trusted.overlay.redirect", "/etc") +
                      pax_record("SCHILY.xattr.trusted.overlay.opaque", "y") +
                      pax_record("SCHILY.xattr.security.selinux", "system_u") +
                      pax_record("SCHILY.xattr.user.note", "kept");
  EXPECT_EQ(error(pax_entry(xattrs) + directory("d") + pax_entry(xattrs) + file("f") + tar_end()),
            "");
  EXPECT_THAT(kind("d"), HasSubstr("{user.note=6b657074}"));
  EXPECT_THAT(kind("f"), HasSubstr("{user.note=6b657074}"));
}

TEST_F(ApplyLayer, KeepsTheBytesOfNamesInPaxHeaders) {
  for (const std::string& name : {std::string("caf\xc3\xa9"), std::string("caf\xe9-\xff")}) {
    EXPECT_EQ(error(pax_entry(pax_record("path", name)) + file("x") + tar_end()), "");
    EXPECT_THAT(kind(name), HasSubstr("100644")) << name;
    EXPECT_EQ(error(file(name + "-plain") + tar_end()), "");
    EXPECT_THAT(kind(name + "-plain"), HasSubstr("100644")) << name;
  }
}

TEST_F(ApplyLayer, RefusesOverlongAndEmptyNames) {
  EXPECT_THAT(error(pax_entry(pax_record("path", std::string(300, 'n'))) + file("x") + tar_end()),
              HasSubstr("longer"));
  EXPECT_NE(error(file("") + tar_end()), "");
}

TEST_F(ApplyLayer, ANulInANameCannotHideALeadOut) {
  error(pax_entry(pax_record("path", std::string("ok\0/../../evil", 14))) + file("x") + tar_end());
  EXPECT_FALSE(fs::exists(scratch_.path() / "evil"));
}

TEST_F(ApplyLayer, DamageIsAnErrorAndNotSilence) {
  const std::string tar = file("a", std::string(3000, 'a')) + file("b") + tar_end();
  for (const std::size_t cut : {100UL, 512UL, 600UL, 3000UL, 3584UL + 200})
    EXPECT_NE(error(tar.substr(0, cut)), "") << cut;
  std::string wrong_sum = tar;
  wrong_sum[3] = 'x';
  EXPECT_NE(error(wrong_sum), "");
  std::string second = tar;
  second[3584 + 10] = 'x';
  EXPECT_NE(error(second), "");
  EXPECT_NE(error("this is not a tar at all" + std::string(2000, 'z')), "");
}

TEST_F(ApplyLayer, DamagedCompressionIsAnErrorEvenBehindTheLastEntry) {
  put_file(target_ / "t.tar", file("a", testing::noise(100'000)) + tar_end());
  std::string gz = testing::run("gzip -nc " + (target_ / "t.tar").string());
  EXPECT_NE(error(gz.substr(0, gz.size() / 2)), "");
  EXPECT_NE(error(gz.substr(0, gz.size() - 4)), "");
  gz[gz.size() - 7] = static_cast<char>(gz[gz.size() - 7] ^ 1);
  EXPECT_THAT(error(gz), HasSubstr("check sum"));
}

TEST_F(ApplyLayer, ASizeThatIsClaimedButNotThereCostsNothing) {
  EXPECT_NE(
      error(raw_entry({.name = "big", .content = "x", .link = {}, .claimed_size = 077777777777})),
      "");
  EXPECT_NE(error(pax_entry(pax_record("size", "9223372036854775807")) + file("big") + tar_end()),
            "");
  EXPECT_NE(error(pax_entry(pax_record("comment", std::string(100, 'c'))).substr(0, 512) +
                  std::string(10'000, 'z')),
            "");
}

TEST_F(ApplyLayer, ManyEntriesDoNotFillTheMemory) {
  std::string tar;
  for (int i = 0; i < 2000; ++i)
    tar += raw_entry(
        {.name = fmt::format("d{}", i), .type = '5', .content = {}, .link = {}, .mtime = 1000 + i});
  tar += pax_entry(pax_record("SCHILY.xattr.user.last", std::string(3000, 'v'))) +
         directory("with-xattr");
  EXPECT_EQ(error(tar + tar_end()), "");
  const auto all = describe(target_);
  EXPECT_EQ(all.size(), 2001U);
  EXPECT_THAT(all.at("d0"), HasSubstr("t1000 "));
  EXPECT_THAT(all.at("d1999"), HasSubstr("t2999 "));
}

TEST_F(ApplyLayer, PassesOnWhatTheSourceThrows) {
  class Broken final : public Source {
   public:
    std::size_t read(MutableBytes buffer) override {
      if (position_ >= 2000) throw Error(Errc::unavailable, "connection reset");
      const std::string start = file("a", std::string(5000, 'a'));
      const std::size_t count = std::min<std::size_t>(buffer.size(), 2000 - position_);
      std::copy_n(as_bytes(start).begin() + static_cast<long>(position_), count, buffer.begin());
      position_ += count;
      return count;
    }

   private:
    std::size_t position_ = 0;
  };
  try {
    static_cast<void>(apply_layer(std::make_unique<Broken>(), os::Dir::open(target_), {}));
    FAIL();
  } catch (const Error& failed) {
    EXPECT_EQ(failed.code(), Errc::unavailable);
    EXPECT_STREQ(failed.what(), "connection reset");
  }
}

TEST_F(ApplyLayer, StopsWhenAsked) {
  std::stop_source stop;
  stop.request_stop();
  try {
    static_cast<void>(apply_layer(std::make_unique<DripSource>(file("a") + tar_end(), 100),
                                  os::Dir::open(target_), stop.get_token()));
    FAIL();
  } catch (const Error& failed) {
    EXPECT_EQ(failed.code(), Errc::cancelled);
  }
}

TEST_F(ApplyLayer, ReadsWhatGnuTarWrites) {
  const fs::path from = target_ / "from";
  put_file(from / std::string(150, 'a') / std::string(150, 'b'), "long");
  put_file(from / "suid", "s", 06755);
  fs::create_hard_link(from / "suid", from / "suid2");
  {
    const os::Fd fd = os::open_file(from / "sparse", 0101, 0644);
    ASSERT_EQ(::ftruncate(fd.get(), 5'000'000), 0);
    ASSERT_EQ(::pwrite(fd.get(), "mid", 3, 2'000'000), 3);
  }
  testing::set_xattr(from / "suid", "user.x", "1");
  const auto expected = describe(from);
  for (const char* format : {"gnu", "posix", "gnu --sparse", "posix --sparse", "ustar"}) {
    const fs::path to = target_ / "to";
    fs::create_directory(to);
    const std::string archive = (target_ / "a.tar").string();
    const bool pax = std::string_view(format).starts_with("posix");
    ASSERT_EQ(testing::run(fmt::format(
                  "tar --format={} {} --exclude={} -cf {} -C {} .", format, pax ? "--xattrs" : "",
                  std::string_view(format) == "ustar" ? "'aaa*'" : "none", archive, from.string())),
              "");
    static_cast<void>(
        apply_layer(std::make_unique<os::FileSource>(os::open_file(archive, 0), archive),
                    os::Dir::open(to), {}));
    auto got = describe(to);
    EXPECT_THAT(got.at("suid"), HasSubstr("106755"));
    EXPECT_EQ(got.at("sparse"), expected.at("sparse")) << format;
    if (pax) {
      EXPECT_EQ(got, expected) << format;
    }
    fs::remove_all(to);
  }
}

}  // namespace
}  // namespace kiln::layer
