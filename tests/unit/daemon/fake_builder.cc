#include "tests/unit/daemon/fake_builder.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "builder/build.h"
#include "builder/cache_mounts.h"
#include "builder/context_listing.h"
#include "builder/debug.h"
#include "builder/fsck.h"
#include "builder/history.h"
#include "builder/images.h"
#include "builder/os/file.h"

namespace kiln {

namespace asio = boost::asio;
using asio::awaitable;

namespace test {
FakeBuilder& fake_builder() {
  static FakeBuilder fake;
  return fake;
}
}  // namespace test

namespace {

void record(std::string call) {
  test::fake_builder().calls.push_back(std::move(call));
}

void read_descriptors(const Caller& caller) {
  for (const auto& [role, fd] : caller.descriptors)
    test::fake_builder().contents[role] = os::read_all(fd.get(), role, 1000);
}

}  // namespace

struct Services::Parts {};
Services::Services(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Services::~Services() = default;
awaitable<void> Services::close() {
  record("closed");
  co_return;
}
awaitable<std::unique_ptr<Services>> Services::open(asio::io_context&, BuilderConfig config) {
  test::fake_builder().config = std::move(config);
  co_return std::unique_ptr<Services>(new Services(std::make_unique<Parts>()));
}
awaitable<void> Services::rest() {
  co_return;
}

std::vector<std::string> Services::notes() const {
  return {"a note"};
}

awaitable<Finished> list_context(BuildRequest request, Caller& caller, Services&) {
  record("list " + request.context_name);
  read_descriptors(caller);
  caller.events(StepLog{1, 1, "{}\n"});
  co_return Finished{};
}

awaitable<Finished> run_build(BuildRequest request, Caller& caller, Services&) {
  record("build " + request.target + " for uid " + std::to_string(caller.peer.uid));
  read_descriptors(caller);
  caller.events(StepStarted{1, "FROM x"});
  auto& fake = test::fake_builder();
  if (fake.ask_for_credentials) fake.credentials = co_await caller.credentials("r:5000");
  if (fake.block) {
    asio::steady_timer timer(co_await asio::this_coro::executor, std::chrono::hours{1});
    co_await timer.async_wait(asio::use_awaitable);
  }
  co_return Finished{"b1", "sha256:1", "", request.tags, {}};
}

awaitable<std::vector<BuildSummary>> list_builds(Services&) {
  BuildSummary build;
  build.id = "1a";
  co_return std::vector<BuildSummary>{build};
}
awaitable<BuildDetail> show_build(std::string id, Services&) {
  record("show " + id);
  co_return BuildDetail{};
}
awaitable<std::string> read_build_log(std::string id, std::uint64_t offset, Services&) {
  record("log " + id + " from " + std::to_string(offset));
  co_return build_log_part_json(offset, false, "");
}
awaitable<BuildsRemoved> remove_build(std::string id, Services&) {
  record("forget " + id);
  co_return BuildsRemoved{1, 2};
}

awaitable<Finished> pull_image(TransferRequest request, Caller&, Services&) {
  record("pull " + request.reference + " " + request.platform);
  co_return Finished{};
}
awaitable<Finished> push_image(TransferRequest request, Caller&, Services&) {
  record("push " + request.reference);
  co_return Finished{};
}
awaitable<Finished> save_images(SaveRequest request, Caller& caller, Services&) {
  os::write_all(caller.descriptors.at("output:0").get(), as_bytes("archive"), "output");
  record("save " + request.references.at(0) + " " + request.format);
  co_return Finished{};
}
awaitable<Finished> load_images(Caller& caller, Services&) {
  read_descriptors(caller);
  record("load");
  co_return Finished{"", "", "", {"app:1"}, {}};
}
awaitable<std::vector<ImageSummary>> list_images(Services&) {
  co_return std::vector<ImageSummary>{{"app:1", "sha256:1", "", "linux/amd64", 5, ""}};
}
awaitable<std::string> inspect_image(std::string reference, Services&) {
  if (reference != "app:1") throw Error(Errc::not_found, "{}: no such image", reference);
  co_return R"({"reference":"app:1"})";
}
awaitable<std::vector<HistoryRow>> image_history(std::string reference, Services&) {
  co_return std::vector<HistoryRow>{{"", "RUN " + reference, "", 0, true}};
}
awaitable<void> tag_image(std::string source, std::string target, Services&) {
  record("tag " + source + " " + target);
  co_return;
}
awaitable<void> remove_image(std::string reference, Services&) {
  record("remove " + reference);
  co_return;
}
awaitable<PruneReport> prune(PruneRequest request, Services&) {
  co_return PruneReport{request.all ? 2U : 1U, 100};
}
awaitable<DiskUsage> disk_usage(Services&, bool) {
  co_return DiskUsage{{{"blobs", 1, 2, 3}}};
}
awaitable<std::vector<CacheMountSummary>> list_cache_mounts(Services&) {
  co_return std::vector<CacheMountSummary>{{"pip", "abc-0", 7, "", 1, true}};
}
awaitable<Finished> save_cache_mount(CacheTransferRequest request, Caller& caller, Services&) {
  os::write_all(caller.descriptors.at("output:0").get(), as_bytes("cache"), "output");
  record("save cache " + request.id + " " + request.compression);
  co_return Finished{};
}
awaitable<Finished> load_cache_mount(CacheTransferRequest request, Caller& caller, Services&) {
  read_descriptors(caller);
  record(std::string(request.merge ? "merge" : "load") + " cache " + request.id);
  co_return Finished{};
}
awaitable<CacheMountsRemoved> remove_cache_mounts(std::string id, Services&) {
  record("remove cache " + id);
  co_return CacheMountsRemoved{1, 7};
}
awaitable<Finished> debug_build(DebugRequest request, Caller&, Services&) {
  record("debug " + request.build);
  Finished finished;
  finished.metadata[kExitCodeKey] = "3";
  co_return finished;
}
awaitable<Finished> check_store(FsckRequest request, Caller&, Services&) {
  FsckReport report;
  if (!request.repair) report.findings.push_back({"blob", "sha256:1", "damaged", {}, false});
  Finished finished;
  finished.metadata["fsck"] = to_json(report);
  co_return finished;
}
awaitable<DaemonInfo> builder_info(Services&) {
  co_return DaemonInfo{{{"runtime", "fake"}}};
}

}  // namespace kiln
