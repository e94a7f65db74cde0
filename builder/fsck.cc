#include "builder/fsck.h"

#include <algorithm>
#include <map>

#include "builder/fsck_snapshot.h"
#include "builder/ops/git_command.h"
#include "builder/os/cancellable.h"
#include "builder/os/dir.h"
#include "builder/os/task_group.h"
#include "builder/services_parts.h"
#include "builder/step.h"
#include "builder/store/fsck.h"
#include "builder/store/git_cache.h"
#include "builder/store/users.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

using Finding = FsckReport::Finding;
using Means = SnapshotVerdict::Means;

/// One check from its request to its report; the methods in the order in which they run.
class Check {
 public:
  Check(FsckRequest request, Caller& caller, Services::Parts& parts)
      : repair_(request.repair), caller_(caller), parts_(parts), store_(parts.store) {}

  asio::awaitable<FsckReport> run() {
    co_await check_database();
    co_await check_blobs();
    co_await read_rows();
    co_await report_blobs();
    co_await check_snapshots();
    co_await check_rows();
    co_await check_repositories();
    co_return std::move(report_);
  }

 private:
  std::shared_ptr<Step> begin(std::string name) {
    return std::make_shared<Step>(caller_.events, steps_, std::move(name));
  }
  void found(Finding finding) { report_.findings.push_back(std::move(finding)); }

  asio::awaitable<void> check_database() {
    const auto step = begin("database");
    auto work = [this] { return store::database_problems(store_); };
    for (std::string& problem : co_await os::offload(parts_.pool, work))
      found({"database", "kiln.db", std::move(problem), {}, false});
    report_.checked.emplace_back("database: SQLite's integrity check");
    step->done();
  }

  /// Runs `one(index)` for all indices, several at a time, but not so many that builds starve.
  asio::awaitable<void> for_each(std::size_t count,
                                 std::string name,
                                 asio::awaitable<void> (Check::*one)(std::size_t)) {
    constexpr int kAtOnce = 2;
    const auto step = begin(fmt::format("{} {}", count, name));
    std::size_t next = 0;
    std::vector<asio::awaitable<void>> workers;
    for (int i = 0; i < kAtOnce; ++i)
      workers.push_back(work_off(count, next, one, step));
    co_await os::all_of(std::move(workers));
    step->done();
  }

  asio::awaitable<void> work_off(std::size_t count,
                                 std::size_t& next,
                                 asio::awaitable<void> (Check::*one)(std::size_t),
                                 std::shared_ptr<Step> step) {
    while (next < count) {
      co_await (this->*one)(next++);
      step->progress("checked", next, count);
    }
  }

  asio::awaitable<void> check_blobs() {
    auto list = [this] { return store::blob_names(store_); };
    blobs_ = co_await os::offload(parts_.pool, list);
    co_await for_each(blobs_.size(), "blobs", &Check::check_blob);
    report_.checked.push_back(
        fmt::format("{} blobs: every byte, against the digest", blobs_.size()));
  }

  asio::awaitable<void> check_blob(std::size_t index) {
    const Digest& digest = blobs_[index];
    auto work = [&](std::stop_token stop) { return store::blob_problem(store_, digest, stop); };
    std::optional<std::string> problem = co_await os::offload_cancellable(parts_.pool, work);
    if (problem) blob_problems_.emplace(digest, std::move(*problem));
  }

  /// Of images whose manifest is damaged nobody can say what they need.
  asio::awaitable<void> read_rows() {
    auto read = [](store::Tables& tables) { return store::take_inventory(tables); };
    inventory_ = co_await store_.database().run(read);
    readable_ = inventory_;
    const auto is_damaged = [this](const auto& row) {
      return blob_problems_.contains(row.manifest);
    };
    std::erase_if(readable_.images, is_damaged);
    std::erase_if(readable_.resolutions, is_damaged);
    auto work = [this] {
      store::ImageNeeds needs(store_.blobs());
      return std::make_unique<store::Users>(readable_, needs);
    };
    users_ = co_await os::offload(parts_.pool, work);
  }

  asio::awaitable<void> report_blobs() {
    for (auto& [digest, problem] : blob_problems_) {
      damaged_.blobs.insert(digest);
      Finding finding{"blob", digest.str(), std::move(problem), users_->of_blob(digest), false};
      for (const store::LayerRow& layer : inventory_.layers) {
        if (layer.blob != digest) continue;
        for (const store::RecordRow* record : users_->of_layer(layer.id))
          finding.affects.push_back("record " + store::name_of(*record));
      }
      if (repair_) {
        auto drop = [this, name = digest] { store_.blobs().remove(name); };
        co_await os::offload(parts_.pool, drop);
        finding.repaired = true;
      }
      found(std::move(finding));
    }
  }

  asio::awaitable<void> check_snapshots() {
    std::erase_if(inventory_.layers, [](const auto& layer) { return !layer.has_snapshot; });
    co_await for_each(inventory_.layers.size(), "snapshots", &Check::check_snapshot);
    report_.checked.push_back(fmt::format(
        "{} snapshots: {} against the layer's diff id, {} against the layer's blob, {} read, and "
        "looked for files written later, because no digest of them is known",
        inventory_.layers.size(), by_means_[Means::tar], by_means_[Means::blob],
        by_means_[Means::times]));
  }

  asio::awaitable<void> check_snapshot(std::size_t index) {
    SnapshotVerdict verdict;
    const store::LayerId id = inventory_.layers[index].id;
    {
      store::Lease lease(parts_.leases);
      SnapshotFacts facts;
      auto read = [&](store::Tables& tables) {
        const std::optional<store::LayerRow> row = tables.layer(id);
        if (!row || !row->has_snapshot) return false;
        lease.add(id);
        facts.layer = *row;
        facts.implied = tables.implied_directories(id);
        return true;
      };
      if (!co_await store_.database().run(read)) co_return;  // collected meanwhile
      const std::optional<Digest>& blob = facts.layer.blob;
      facts.has_sound_blob = blob && !damaged_.blobs.contains(*blob) &&
                             store_.blobs().has(*blob, facts.layer.blob_bytes);
      if (facts.has_sound_blob) lease.add(*blob);
      auto work = [&](std::stop_token stop) { return judge_snapshot(store_, facts, stop); };
      verdict = co_await os::offload_cancellable(parts_.pool, work);
    }
    ++by_means_[verdict.means];
    if (verdict.problem) co_await report_snapshot(inventory_.layers[index], *verdict.problem);
  }

  asio::awaitable<void> report_snapshot(store::LayerRow layer, std::string problem) {
    damaged_.snapshots.insert(layer.id);
    std::string name = fmt::format("snapshots/{}", static_cast<std::int64_t>(layer.id));
    if (const store::RecordRow* maker = users_->maker_of(layer.id)) name += " " + maker->name;
    Finding finding{"snapshot", std::move(name), std::move(problem), users_->names(layer), false};
    if (repair_) {
      auto drop = [this, id = layer.id] { return store::drop_snapshot(store_, parts_.leases, id); };
      finding.repaired = co_await os::offload(parts_.pool, drop);
      if (!finding.repaired)
        finding.problem += "; a running build uses it: repair again when that has ended";
    }
    found(std::move(finding));
  }

  asio::awaitable<void> check_rows() {
    const auto step = begin("records and images");
    auto work = [this] { return store::check_rows(store_, damaged_, repair_); };
    for (Finding& finding : co_await os::offload(parts_.pool, work))
      found(std::move(finding));
    report_.checked.push_back(fmt::format("{} records, {} images: that what they name is there",
                                          inventory_.records.size(), inventory_.images.size()));
    step->done();
  }

  asio::awaitable<void> check_repositories() {
    std::vector<std::filesystem::path> repositories;
    auto list = [&] {
      store::each_unused_repository(
          store_, [&](const std::filesystem::path& path) { repositories.push_back(path); });
    };
    co_await os::offload(parts_.pool, list);
    const auto step = begin(fmt::format("{} git repositories", repositories.size()));
    for (const std::filesystem::path& path : repositories) {
      ops::GitCommand command;
      command.args = {"fsck", "--no-dangling", "--no-progress"};
      command.git_dir = path;
      const ops::GitOutput output =
          co_await ops::run_git(command, std::make_shared<solver::SilentListener>());
      if (output.status.ok()) continue;
      Finding finding{
          "git repository", "git/" + path.filename().string(), output.cause(), {}, false};
      if (repair_) {
        auto drop = [this, id = path.filename().string()] {
          return store::remove_repository(store_, id) > 0;
        };
        finding.repaired = co_await os::offload(parts_.pool, drop);
      }
      found(std::move(finding));
    }
    report_.checked.push_back(
        fmt::format("{} copies of git repositories: git fsck", repositories.size()));
    step->done();
  }

  bool repair_;
  Caller& caller_;
  Services::Parts& parts_;
  store::Store& store_;
  solver::StepCounter steps_;
  FsckReport report_;
  std::vector<Digest> blobs_;
  std::map<Digest, std::string> blob_problems_;
  store::Inventory inventory_;
  store::Inventory readable_;  ///< what users_ refers to
  std::unique_ptr<store::Users> users_;
  store::Damaged damaged_;
  std::map<Means, int> by_means_;
};

}  // namespace

asio::awaitable<Finished> check_store(FsckRequest request, Caller& caller, Services& services) {
  Check check(request, caller, services.parts());
  Finished finished;
  finished.metadata["fsck"] = to_json(co_await check.run());
  co_return finished;
}

}  // namespace kiln
