// Stores that earlier versions wrote: made with the steps that those had, and rows as they wrote
// them.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <span>

#include "builder/store/query.h"
#include "builder/store/schema.h"
#include "proto/oci.h"
#include "tests/unit/store/store_fixture.h"

namespace kiln::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const std::string kHash(64, 'a');
const Digest kDiffId = Digest::parse("sha256:" + kHash);
const FileIdentity kFile{1, 130, 12, 34, 56, 0100644};

std::int64_t version_of(Connection& connection) {
  Query query(connection.prepared("PRAGMA user_version"));
  query.step();
  return query.integer(0);
}

/// Every table and index, as they were made.
std::string schema_of(const std::filesystem::path& file) {
  Connection connection(file);
  Query query(connection.prepared(
      "SELECT group_concat(sql, char(10)) FROM (SELECT sql FROM sqlite_schema ORDER BY name)"));
  query.step();
  return query.text(0);
}

/// The parameter is the version of the database.
class MigrationTest : public StoreTest, public testing::WithParamInterface<int> {
 protected:
  [[nodiscard]] std::filesystem::path file() const { return root_ / "kiln.db"; }

  /// What a store of that version left: one of everything that it knew, closed well.
  void leave_old_store() {
    for (const char* directory : {"snapshots/7", "blobs/sha256", "tmp", "builds/b1"})
      std::filesystem::create_directories(root_ / directory);
    os::write_file(root_ / "snapshots/7/content", "old");
    os::write_file(root_ / "blobs/sha256" / sha256("old blob").hex(), "old blob");
    Connection connection(file());
    connection.execute("PRAGMA journal_mode = WAL");
    for (int version = 1; version <= GetParam(); ++version) {
      connection.execute(schema_steps()[static_cast<std::size_t>(version - 1)]);
      connection.execute(rows_of(version).c_str());
    }
    connection.execute(fmt::format("PRAGMA user_version = {}", GetParam()).c_str());
  }

  /// The rows that this version brought.
  static std::string rows_of(int version) {
    const std::string blob = sha256("old blob").str();
    switch (version) {
      case 1:
        return fmt::format(
            "INSERT INTO layers VALUES (7, '{1}', '{0}', '{2}', 8, 1, 3, 'r/base', 70, 1, 1),"
            " (9, NULL, NULL, '', 0, 0, 0, '', 90, 1, 1);"
            "DELETE FROM layers WHERE id = 9;"
            "INSERT INTO records VALUES (1, 'sha256:key', '[1/2] RUN x', '{{}}', 5, 6, 1);"
            "INSERT INTO record_layers VALUES (1, 0, 7);"
            "INSERT INTO resolutions VALUES ('docker.io/library/a:1', 'linux/amd64', '{0}', 4, 1);"
            "INSERT INTO file_digests VALUES (1, 130, 12, 34, 56, 33188, zeroblob(32));"
            "INSERT INTO builds VALUES ('b1', 'done', 'ctx', '', '', 2, 3);"
            "UPDATE meta SET value = '1' WHERE name IN ('clean', 'synced');"
            "UPDATE meta SET value = '2' WHERE name = 'generation';",
            blob, kDiffId.str(), oci::kLayer);
      case 2:
        return "UPDATE records SET content_key = 'sha256:content'";
      case 3:
        return "INSERT INTO implied_directories VALUES (7, 'usr')";
      case 4:
        return "UPDATE builds SET target = 'app', names = 'a:1 a:2', steps = 4, cached_steps = 3;"
               "INSERT INTO record_files VALUES (1, 'list')";
      case 5:
        return "INSERT INTO layer_blocks VALUES (7, 'blocks');"
               "INSERT INTO copies VALUES ('COPY', 7, 'files', 7)";
      default:
        ADD_FAILURE() << "say what version " << version << " brought";
        return "";
    }
  }

  [[nodiscard]] bool knew(int version) const { return GetParam() >= version; }
};

TEST_P(MigrationTest, AllThatAnEarlierVersionWroteIsThere) {
  leave_old_store();
  open();
  EXPECT_THAT(store().notes(), IsEmpty());
  EXPECT_EQ(os::read_file(store().snapshot_path(LayerId{7}) / "content", 64), "old");
  run([&](Tables& tables) {
    const auto layer = tables.layer_by_diff_id(DiffId{kDiffId});
    ASSERT_TRUE(layer);
    EXPECT_EQ(layer->id, LayerId{7});
    EXPECT_EQ(layer->blob, sha256("old blob"));
    EXPECT_EQ(layer->media_type, oci::kLayer);
    EXPECT_EQ(layer->blob_bytes, 8U);
    EXPECT_TRUE(layer->has_snapshot);
    EXPECT_EQ(layer->snapshot_bytes, 3U);
    EXPECT_EQ(layer->origin, "r/base");
    EXPECT_EQ(layer->created_ns, 70);
    EXPECT_EQ(layer->delta_of, LayerId{});
    EXPECT_EQ(layer->predecessor, LayerId{});
    EXPECT_EQ(tables.has_implied_directories(LayerId{7}), knew(3));
    EXPECT_EQ(tables.layer_blocks(LayerId{7}), knew(5) ? "blocks" : "");
    const auto copy = tables.copy("COPY");
    ASSERT_EQ(copy.has_value(), knew(5));
    if (copy) {
      EXPECT_EQ(copy->files, "files");
    }
    const auto resolution = tables.resolution("docker.io/library/a:1", "linux/amd64");
    ASSERT_TRUE(resolution);
    EXPECT_EQ(resolution->manifest, sha256("old blob"));
  });
}

TEST_P(MigrationTest, RecordsAndBuildsAreFoundInTheWaysThatCameLater) {
  leave_old_store();
  open();
  run([&](Tables& tables) {
    const auto record = tables.record("sha256:key");
    ASSERT_TRUE(record);
    EXPECT_THAT(record->layers, ElementsAre(LayerId{7}));
    EXPECT_EQ(record->last_used_ns, 6);
    EXPECT_EQ(record->content_key, knew(2) ? "sha256:content" : "");
    EXPECT_EQ(tables.record_by_content("sha256:content").has_value(), knew(2));
    EXPECT_THAT(tables.records_named("RUN x", "RUN", 1), SizeIs(1));
    EXPECT_EQ(tables.is_file_list_used("list"), knew(4));
    const auto builds = tables.builds();
    ASSERT_THAT(builds, SizeIs(1));
    EXPECT_EQ(builds[0].status, "done");
    EXPECT_EQ(builds[0].finished_ns, 3);
    EXPECT_EQ(builds[0].target, knew(4) ? "app" : "");
    EXPECT_EQ(builds[0].names, knew(4) ? "a:1 a:2" : "");
    EXPECT_EQ(builds[0].cached_steps, knew(4) ? 3 : 0);
  });
}

TEST_P(MigrationTest, TheStoreIsOneOfTheNewestVersionAfterwards) {
  leave_old_store();
  open();
  run([](Tables& tables) {
    EXPECT_GT(tables.add_layer({}), LayerId{9});  // the number of a removed one stays used
    EXPECT_THAT(tables.file_digests({kFile}), ElementsAre(std::nullopt));  // to be hashed again
    tables.put_file_digests({{kFile, sha256("file")}});
  });
  reopen();
  run([](Tables& tables) {
    EXPECT_THAT(tables.file_digests({kFile}), ElementsAre(sha256("file")));
  });
  close();
  const std::filesystem::path fresh = scratch_.path() / "fresh.db";
  {
    const Database made(fresh);
  }
  EXPECT_EQ(schema_of(file()), schema_of(fresh));
}

TEST_P(MigrationTest, AStepThatFailsLeavesTheVersionBeforeIt) {
  leave_old_store();
  Connection(file()).execute("CREATE TABLE file_blocks (in_the_way)");  // version 6 makes it
  EXPECT_THROW(open(), Error);
  {
    Connection connection(file());
    EXPECT_EQ(version_of(connection), 5);
    // What the step had dropped before it failed is back.
    EXPECT_NO_THROW(connection.execute("SELECT digest FROM file_digests; DROP TABLE file_blocks"));
  }
  open();
  EXPECT_TRUE(run([](Tables& tables) { return tables.record("sha256:key"); }));
}

INSTANTIATE_TEST_SUITE_P(FromVersion,
                         MigrationTest,
                         testing::Range(1, static_cast<int>(schema_steps().size())),
                         testing::PrintToStringParamName());

}  // namespace
}  // namespace kiln::store
