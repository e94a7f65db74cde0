#include "builder/services.h"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>
#include <thread>

#include "builder/os/memory.h"
#include "builder/os/offload.h"
#include "builder/services_parts.h"
#include "proto/digest.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

int processors_of(const BuilderConfig& config) {
  if (config.max_parallelism > 0) return config.max_parallelism;
  return static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
}

/// Steps mostly wait: for networks, disks, one compiler each. BuildKit runs any number of them.
int running_steps_of(const BuilderConfig& config) {
  return config.max_parallelism > 0 ? config.max_parallelism
                                    : std::max(8, 4 * processors_of(config));
}

registry::Client::Options client_options(const BuilderConfig& config) {
  registry::Client::Options options;
  options.registries = config.registries;
  return options;
}

/// Two daemons of one machine have distinct roots, and so distinct cgroups.
std::string cgroup_name(const std::filesystem::path& root) {
  return "kiln-" + std::string(sha256(std::filesystem::canonical(root).string()).short_hex());
}

}  // namespace

Services::Parts::Parts(asio::io_context& io_context, BuilderConfig configuration, int processors)
    : io(io_context.get_executor()),
      config(std::move(configuration)),
      // One more than there are processors: a thread that waits for the disk holds up nobody.
      pool(static_cast<std::size_t>(processors) + 1),
      store(config.root),
      registry(io_context, pool, client_options(config)),
      layers(io, store, registry, pool, processors),
      cache_mounts(io, store, pool),
      remote(io, pool, client_options(config)),
      executions(io, running_steps_of(config)),
      early_blobs(io, std::max(1, processors / 2)),
      agents(io, pool, store.root() / "tmp"),
      failed_steps(io, store, leases, pool, {config.debug.keep_for, config.debug.keep_steps}),
      collector(io_context, store, leases, cache_mounts, failed_steps, config.gc, config.tell) {}

Services::Services(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Services::~Services() {
  // Destruction of workspaces is posted to the pool: let it end while the store is there.
  if (parts_) parts_->pool.join();
}

asio::awaitable<std::unique_ptr<Services>> Services::open(asio::io_context& io,
                                                          BuilderConfig config) {
  const int processors = processors_of(config);
  auto parts = std::make_unique<Parts>(io, std::move(config), processors);
  sandbox::RuntimeConfig runtime;
  runtime.runtime = parts->config.runtime;
  runtime.state_directory = parts->store.root() / "runtime";
  runtime.supervisor = "/proc/self/exe";
  runtime.cgroup_name = cgroup_name(parts->store.root());
  runtime.default_network = parts->config.network;
  parts->runtime = co_await sandbox::Runtime::open(std::move(runtime), parts->pool);
  parts->workshop = std::make_unique<ops::Workshop>(
      parts->store, parts->layers, *parts->runtime, parts->registry, parts->remote, parts->pool,
      parts->cache_mounts, parts->agents, parts->failed_steps);
  parts->store.reserve().fill();
  parts->collector.start();
  co_return std::unique_ptr<Services>(new Services(std::move(parts)));
}

asio::awaitable<void> Services::close() {
  co_await parts_->collector.stop();
  co_await parts_->executions.in_flight.drain();
  co_await parts_->remote.drain();
  co_await parts_->layers.drain();
  co_await parts_->agents.drain();
  parts_->failed_steps.close();
}

asio::awaitable<void> Services::rest() {
  co_await parts_->collector.rest();
  co_await parts_->store.database().release_memory();
  co_await os::offload(parts_->pool, [] { os::give_back_memory(); });
}

std::vector<std::string> Services::notes() const {
  std::vector<std::string> notes = parts_->store.notes();
  const std::vector<std::string>& warnings = parts_->runtime->warnings();
  notes.insert(notes.end(), warnings.begin(), warnings.end());
  return notes;
}

int supervise_main(int argc, char** argv) {
  return sandbox::supervise(argc, argv);
}

}  // namespace kiln
