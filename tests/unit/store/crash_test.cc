// A process that is killed while it writes: the next one finds everything that is listed whole.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <random>
#include <set>
#include <thread>

#include "proto/oci.h"
#include "tests/unit/store/store_fixture.h"

namespace kiln::store {
namespace {

using testing::IsEmpty;

/// Blobs, snapshots, records and images without end. Closes `ready` when the first is there.
[[noreturn]] void write_for_ever(const std::filesystem::path& root, unsigned round, int ready) {
  try {
    Store store(root);
    for (unsigned i = 0;; ++i) {
      const std::string text = "round " + std::to_string(round) + " item " + std::to_string(i) +
                               std::string(i % 97 * 100, 'x');
      const LayerId layer = add_snapshot(store, text);
      add_blob(store, layer, text);
      put_record(store, text.substr(0, 40), {layer});
      put_image(store, "docker.io/library/r" + std::to_string(round) + ":" + std::to_string(i),
                put_image_documents(store, {text}));
      if (i == 0) ::close(ready);
      if (i % 10 == 9) store.sync();
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "child: %s\n", error.what());
    ::_exit(1);
  }
}

void expect_everything_whole(Store& store) {
  EXPECT_THAT(names_in(store.root() / "tmp"), IsEmpty());
  std::set<std::string> claimed;
  std::set<LayerId> known;
  const auto layers = store.database().run_blocking([](Tables& t) { return t.layers(); });
  for (const LayerRow& row : layers) {
    known.insert(row.id);
    if (row.blob) EXPECT_EQ(store.blobs().size(*row.blob), row.blob_bytes);
    if (!row.has_snapshot) continue;
    claimed.insert(store.snapshot_path(row.id).filename());
    EXPECT_EQ(std::filesystem::file_size(store.snapshot_path(row.id) / "content"),
              row.snapshot_bytes);
  }
  for (const std::string& name : names_in(store.root() / "snapshots"))
    EXPECT_TRUE(claimed.contains(name)) << "orphan " << name;
  for (const std::string& name : names_in(store.root() / "blobs" / "sha256"))
    EXPECT_NO_THROW((void)store.blobs().read(Digest::parse("sha256:" + name), 1 << 20));
  for (const RecordRow& record :
       store.database().run_blocking([](Tables& t) { return t.records(); })) {
    for (const LayerId layer : record.layers)
      EXPECT_TRUE(known.contains(layer));
  }
  for (const ImageRow& image :
       store.database().run_blocking([](Tables& t) { return t.images(); })) {
    const oci::Manifest manifest =
        oci::parse_manifest(store.blobs().read(image.manifest, oci::kMaxDocumentBytes));
    EXPECT_TRUE(store.blobs().has(manifest.config.digest));
    EXPECT_TRUE(store.blobs().has(manifest.layers.at(0).digest));
  }
}

TEST_F(StoreTest, EverythingListedIsWholeAfterAKillAtAnyPoint) {
  std::mt19937 random(20260201);
  std::uniform_int_distribution<int> milliseconds(0, 120);
  std::size_t images = 0;
  for (unsigned round = 0; round < 20; ++round) {
    os::Pipe ready = os::make_pipe();
    const pid_t child = ::fork();
    if (child == 0) write_for_ever(root(), round, ready.write_end.release());
    ::close(ready.write_end.release());
    // Every other one is killed while it opens, or soon after; the rest while they write.
    char byte = 0;
    if (round % 2 == 1) ASSERT_EQ(::read(ready.read_end.get(), &byte, 1), 0);
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds(random)));
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself";
    open();
    expect_everything_whole(store());
    const std::size_t now = run([](Tables& t) { return t.images().size(); });
    EXPECT_GE(now, images) << "a listed image was lost";
    images = now;
    close();
  }
  EXPECT_GT(images, 0U);
}

}  // namespace
}  // namespace kiln::store
