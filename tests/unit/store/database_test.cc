#include "builder/store/database.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <algorithm>

#include "proto/error.h"
#include "tests/support/run_async.h"
#include "tests/unit/store/store_fixture.h"

namespace kiln::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class DatabaseTest : public testing::Test {
 protected:
  os::TempDir scratch_{std::filesystem::temp_directory_path(), "kiln-db-test"};
  std::filesystem::path file_ = scratch_.path() / "kiln.db";
  Database database_{file_};

  template <class Work>
  auto run(Work work) {
    return database_.run_blocking(std::move(work));
  }
};

TEST_F(DatabaseTest, ALayerComesBackAsItWasAdded) {
  LayerRow row;
  row.diff_id = DiffId{sha256("tar")};
  row.blob = sha256("blob");
  row.media_type = "application/x";
  row.blob_bytes = 1ULL << 40U;
  row.has_snapshot = true;
  row.snapshot_bytes = 7;
  row.origin = "docker.io/library/alpine";
  row.created_ns = 1'700'000'000'123'456'789;
  const LayerId id = run([&](Tables& tables) { return tables.add_layer(row); });
  const auto found = run([&](Tables& tables) { return tables.layer(id); });
  ASSERT_TRUE(found);
  EXPECT_EQ(found->id, id);
  EXPECT_EQ(found->diff_id, row.diff_id);
  EXPECT_EQ(found->blob, row.blob);
  EXPECT_EQ(found->media_type, row.media_type);
  EXPECT_EQ(found->blob_bytes, row.blob_bytes);
  EXPECT_TRUE(found->has_snapshot);
  EXPECT_EQ(found->snapshot_bytes, 7U);
  EXPECT_EQ(found->origin, row.origin);
  EXPECT_EQ(found->created_ns, row.created_ns);
}

TEST_F(DatabaseTest, ACopyGoesWithTheLayerThatItsListIsOf) {
  const LayerId whole = run([](Tables& tables) { return tables.add_layer({}); });
  const std::string files("a\0b", 3);
  run([&](Tables& tables) {
    tables.put_copy("COPY", {whole, files, whole});
    tables.set_newest_copy("COPY", LayerId{99});
    tables.set_layer_blocks(whole, files);
  });
  const auto found = run([](Tables& tables) { return tables.copy("COPY"); });
  ASSERT_TRUE(found);
  EXPECT_EQ(found->whole, whole);
  EXPECT_EQ(found->files, files);
  EXPECT_EQ(found->newest, LayerId{99});
  EXPECT_EQ(run([&](Tables& tables) { return tables.layer_blocks(whole); }), files);
  run([&](Tables& tables) { tables.remove_layer(whole); });
  EXPECT_FALSE(run([](Tables& tables) { return tables.copy("COPY"); }));
  EXPECT_EQ(run([&](Tables& tables) { return tables.layer_blocks(whole); }), "");
}

TEST_F(DatabaseTest, ADifferenceFromASnapshotThatIsGoneIsNone) {
  LayerRow row;
  row.blob = sha256("blob");
  row.has_snapshot = true;
  const LayerId whole = run([&](Tables& tables) { return tables.add_layer(row); });
  row.delta_of = whole;
  row.predecessor = whole;
  const LayerId delta = run([&](Tables& tables) { return tables.add_layer(row); });
  const auto find = [&] {
    return run([&](Tables& tables) { return tables.layer(delta); }).value();
  };
  run([](Tables& tables) { tables.drop_useless(); });
  EXPECT_TRUE(find().has_snapshot);
  EXPECT_EQ(find().delta_of, whole);
  EXPECT_EQ(find().predecessor, whole);
  run([&](Tables& tables) {
    tables.set_layer_snapshot(whole, false, 0);
    tables.drop_useless();
  });
  EXPECT_FALSE(find().has_snapshot);
}

TEST_F(DatabaseTest, ALayersNumberIsNeverUsedAgain) {
  const LayerId first = run([](Tables& tables) { return tables.add_layer({}); });
  run([&](Tables& tables) { tables.remove_layer(first); });
  EXPECT_NE(run([](Tables& tables) { return tables.add_layer({}); }), first);
}

TEST_F(DatabaseTest, OfSeveralLayersWithOneDiffIdTheUnpackedOneIsFound) {
  const DiffId diff_id{sha256("tar")};
  run([&](Tables& tables) {
    LayerRow row;
    row.diff_id = diff_id;
    tables.add_layer(row);
    row.has_snapshot = true;
    const LayerId unpacked = tables.add_layer(row);
    EXPECT_EQ(tables.layer_by_diff_id(diff_id)->id, unpacked);
    EXPECT_FALSE(tables.layer_by_diff_id(DiffId{sha256("other")}));
  });
}

TEST_F(DatabaseTest, SnapshotAndBlobOfALayerAreSetApart) {
  run([](Tables& tables) {
    const LayerId id = tables.add_layer({});
    tables.set_layer_snapshot(id, true, 10);
    tables.set_layer_blob(id, DiffId{sha256("tar")}, sha256("blob"), "m", 20);
    LayerRow row = *tables.layer(id);
    EXPECT_TRUE(row.has_snapshot);
    EXPECT_EQ(row.blob_bytes, 20U);
    tables.set_layer_snapshot(id, false, 0);
    row = *tables.layer(id);
    EXPECT_FALSE(row.has_snapshot);
    EXPECT_EQ(row.blob, sha256("blob"));
  });
}

TEST_F(DatabaseTest, ImpliedDirectoriesAreReplacedAndGoWithTheirLayer) {
  run([](Tables& tables) {
    const LayerId id = tables.add_layer({});
    const LayerId other = tables.add_layer({});
    EXPECT_FALSE(tables.has_implied_directories(id));
    tables.set_implied_directories(id, {"gone"});
    const std::vector<std::string> paths{"a", "a\xff", "a-b", "a/b"};
    tables.set_implied_directories(id, {paths[3], paths[1], paths[2], paths[0]});
    EXPECT_TRUE(tables.has_implied_directories(id));
    EXPECT_FALSE(tables.has_implied_directories(other));
    std::vector<std::string> sorted = paths;
    std::ranges::sort(sorted);
    EXPECT_EQ(tables.implied_directories(id), sorted);
    tables.remove_layer(id);
    EXPECT_FALSE(tables.has_implied_directories(id));
  });
}

TEST_F(DatabaseTest, PuttingAnImageAgainMovesTheName) {
  run([](Tables& tables) {
    tables.put_image({"docker.io/library/a:1", sha256("1"), "m", 1, 1});
    tables.put_image({"docker.io/library/a:1", sha256("2"), "n", 2, 2});
    EXPECT_THAT(tables.images(), SizeIs(1));
    EXPECT_EQ(tables.image("docker.io/library/a:1")->manifest, sha256("2"));
    EXPECT_EQ(tables.image("docker.io/library/a:1")->media_type, "n");
    EXPECT_TRUE(tables.remove_image("docker.io/library/a:1"));
    EXPECT_FALSE(tables.remove_image("docker.io/library/a:1"));
    EXPECT_FALSE(tables.image("docker.io/library/a:1"));
  });
}

TEST_F(DatabaseTest, AResolutionIsOfOneReferenceAndPlatform) {
  run([](Tables& tables) {
    tables.put_resolution({"a:1", "linux/amd64", sha256("x"), 1});
    tables.put_resolution({"a:1", "linux/arm64", sha256("y"), 1});
    tables.put_resolution({"a:1", "linux/amd64", sha256("z"), 2});
    EXPECT_EQ(tables.resolution("a:1", "linux/amd64")->manifest, sha256("z"));
    EXPECT_EQ(tables.resolution("a:1", "linux/arm64")->manifest, sha256("y"));
    EXPECT_FALSE(tables.resolution("a:1", "linux/arm"));
    tables.remove_resolution("a:1", "linux/amd64");
    EXPECT_THAT(tables.resolutions(), SizeIs(1));
  });
}

TEST_F(DatabaseTest, BuildsAreListedNewestFirst) {
  run([](Tables& tables) {
    tables.put_build({"a", "running", "ctx", "", "", 1, 0});
    tables.put_build({"b", "running", "ctx", "", "", 2, 0});
    tables.put_build({"a", "done", "ctx", "sha256:x", "", 1, 9});
    const auto builds = tables.builds();
    ASSERT_THAT(builds, SizeIs(2));
    EXPECT_EQ(builds[0].id, "b");
    EXPECT_EQ(builds[1].status, "done");
    EXPECT_EQ(builds[1].finished_ns, 9);
  });
}

TEST_F(DatabaseTest, WorkThatThrowsLeavesNothing) {
  EXPECT_THROW(run([](Tables& tables) {
                 tables.set_meta("x", "1");
                 throw Error(Errc::cancelled, "enough");
               }),
               Error);
  EXPECT_EQ(run([](Tables& tables) { return tables.meta("x"); }), std::nullopt);
  run([](Tables& tables) { tables.set_meta("x", "2"); });
  EXPECT_EQ(run([](Tables& tables) { return tables.meta("x"); }), "2");
}

boost::asio::awaitable<std::string> set_and_get(Database& database) {
  auto set = [](Tables& tables) { tables.set_meta("from", "coroutine"); };
  co_await database.run(set);
  auto get = [](Tables& tables) { return tables.meta("from").value(); };
  co_return co_await database.run(get);
}

TEST_F(DatabaseTest, ACoroutineGetsTheResultOfItsWork) {
  EXPECT_EQ(test::run_async(set_and_get(database_)), "coroutine");
}

TEST_F(DatabaseTest, TextOfAnyBytesComesBack) {
  const std::string odd("a\0'\"\n\xff", 6);
  run([&](Tables& tables) {
    tables.set_meta("odd", odd);
    EXPECT_EQ(tables.meta("odd"), odd);
  });
}

TEST_F(DatabaseTest, ANewerVersionIsRefusedAndLeftAlone) {
  const std::filesystem::path newer = scratch_.path() / "newer.db";
  {
    const Database made(newer);
  }
  // source: sqlite.org/fileformat.html: the user version is at offset 60, big-endian.
  {
    const os::Fd fd = os::open_file(newer, O_RDWR);
    const char version[] = {0, 0, 0, 99};
    ASSERT_EQ(::pwrite(fd.get(), version, sizeof version, 60), 4);
  }
  const auto size = std::filesystem::file_size(newer);
  try {
    const Database refused(newer);
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::invalid_input);
    EXPECT_THAT(error.what(), HasSubstr("version 99"));
  }
  EXPECT_EQ(std::filesystem::file_size(newer), size);
}

TEST_F(DatabaseTest, GarbageIsCorrupt) {
  const std::filesystem::path garbage = scratch_.path() / "garbage.db";
  os::write_file(garbage, std::string(10'000, 'x'));
  try {
    const Database refused(garbage);
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::corrupt);
  }
}

}  // namespace
}  // namespace kiln::store
