#include "builder/store/accounting.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include "builder/store/git_cache.h"
#include "tests/unit/store/store_fixture.h"

namespace kiln::store {
namespace {

class AccountingTest : public StoreTest {
 protected:
  void SetUp() override {
    open();
    accountant_.emplace(store());
  }
  LayerId add(const std::string& text) {
    const LayerId id = add_snapshot(store(), text);
    const std::uint64_t bytes = du(store().snapshot_path(id));
    run([&](Tables& tables) { tables.set_layer_snapshot(id, true, bytes); });
    return id;
  }
  void add_mount(const std::string& name, std::size_t bytes) {
    std::filesystem::create_directories(root() / "cache-mounts" / name / "content");
    os::write_file(root() / "cache-mounts" / name / "about", "id\n");
    os::write_file(root() / "cache-mounts" / name / "content" / "file", std::string(bytes, 'm'));
  }
  void add_build(const std::string& id, const std::string& status, std::size_t bytes) {
    std::filesystem::create_directories(store().build_path(id));
    os::write_file(store().build_path(id) / "events.ndjson", std::string(bytes, 'e'));
    run([&](Tables& tables) { tables.put_build({id, status, "", "", "", 1, 2}); });
  }
  std::uint64_t sum() { return accountant_->measure(in_use_).sum(); }
  /// du of the root without tmp/.
  std::uint64_t on_disk() {
    ::usleep(30'000);  // past the tick of the clock, so that lists may be remembered
    return du(root()) - du(root() / "tmp");
  }

  std::optional<Accountant> accountant_;
  std::set<std::string> in_use_;
};

TEST_F(AccountingTest, TheSumIsWhatDuSaysAsThingsComeAndGo) {
  EXPECT_EQ(sum(), on_disk());
  const LayerId id = add(std::string(50'000, 'x'));
  std::filesystem::create_directories(root() / "snapshots" / "1.implied" / "tmp");
  store().blobs().put(std::string(70'000, 'b'));
  add_mount("k-0", 90'000);
  add_build("b1", "done", 30'000);
  {
    const HeldRepository repository(store(), "r");
  }
  EXPECT_EQ(sum(), on_disk());
  EXPECT_EQ(sum(), on_disk());
  store().blobs().remove(sha256(std::string(70'000, 'b')));
  std::filesystem::remove_all(store().snapshot_path(id));
  run([&](Tables& tables) { tables.remove_layer(id); });
  EXPECT_EQ(sum(), on_disk());
}

TEST_F(AccountingTest, WhatChangesIsMeasuredAgain) {
  add_mount("k-0", 1);
  add_build("b1", "running", 1);
  in_use_ = {"k-0"};
  (void)sum();
  os::write_file(root() / "cache-mounts" / "k-0" / "content" / "more", std::string(50'000, 'm'));
  os::write_file(store().build_path("b1") / "events.ndjson", std::string(50'000, 'm'));
  EXPECT_EQ(sum(), on_disk());
  // Once more when it has ended.
  os::write_file(root() / "cache-mounts" / "k-0" / "content" / "last", std::string(50'000, 'm'));
  in_use_.clear();
  EXPECT_EQ(sum(), on_disk());
}

TEST_F(AccountingTest, WhatIsInUseIsNotDisposable) {
  add_mount("idle-0", 10'000);
  add_mount("used-0", 10'000);
  add_build("done", "done", 10);
  add_build("running", "running", 10);
  in_use_ = {"used-0"};
  (void)sum();
  std::vector<std::string> names;
  for (const Disposable& one : accountant_->disposables()) {
    names.push_back(one.name);
    EXPECT_GT(one.last_used_ns, 0);
    EXPECT_GT(one.disk_bytes, 0U);
  }
  EXPECT_THAT(names, testing::UnorderedElementsAre("idle-0", "done"));
}

}  // namespace
}  // namespace kiln::store
