#include "builder/remote_cache.h"

#include <algorithm>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>

#include "builder/base_layers.h"
#include "builder/cache/collect.h"
#include "builder/cache/layout_place.h"
#include "builder/cache/publish.h"
#include "builder/cache/read.h"
#include "builder/cache/registry_place.h"
#include "builder/os/file.h"
#include "builder/os/offload.h"
#include "builder/os/task_group.h"
#include "builder/step.h"
#include "proto/cache_role.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

/// A cache that is not read by then is done without: it is there to save time.
constexpr std::chrono::seconds kReadTimeout{30};

cache::RegistryTools tools_of(Services::Parts& parts, std::vector<Reference> pushed) {
  return {parts.store, parts.registry, parts.layers, parts.pool, std::move(pushed)};
}

/// Why there is nothing to be had from what the name points to; "" when there is something.
std::string why_nothing(const cache::Contents& contents) {
  if (!contents.documents.empty() || !contents.shards.empty()) return "";
  switch (contents.kind) {
    case cache::Kind::absent:
      return "there is none yet";
    case cache::Kind::image:
      return "the image carries no cache; build it with --cache-to type=inline";
    case cache::Kind::buildkit:
      return "it is a cache of BuildKit's, which has other keys; give Kiln's a name of its own";
    case cache::Kind::other:
      return "it is no cache";
    case cache::Kind::shards:
      return "it has nothing that can be read";
  }
  return "";
}

struct ReadOrFault {
  cache::Contents contents;
  std::string fault;  ///< why there are none
};

/// Never throws Error: beside a timer that would be waited for.
asio::awaitable<ReadOrFault> read_or_fault(cache::Place& place, asio::thread_pool& pool) {
  ReadOrFault read;
  try {
    read.contents = co_await cache::read_cache(place, pool);
  } catch (const Error& error) {
    read.fault = error.what();
  }
  co_return read;
}

bool is_within(const solver::Stack& part, const solver::Stack& whole) {
  return std::ranges::all_of(
      part, [&](store::LayerId layer) { return std::ranges::find(whole, layer) != whole.end(); });
}

/// The keys of a platform's steps: of all, or of those whose layers the image has.
std::vector<std::string> keys_of(const SolvedPlatform& platform, bool all_steps) {
  std::vector<std::string> keys;
  for (const solver::Solver::Solved& one : platform.solver.solved()) {
    if (all_steps || is_within(one.stack, platform.stack)) keys.push_back(one.key);
  }
  return keys;
}

}  // namespace

/// What is read of the caches.
struct RemoteCache::Reading {
  std::vector<std::shared_ptr<cache::Place>> places;
  std::vector<std::string> missing;  ///< directories that are not there
  cache::Catalog catalog;
  std::shared_ptr<os::Event> done;  ///< set once it has been read; nullptr: nobody asked
  bool given_up = false;
};

class RemoteCache::Records final : public solver::RemoteRecords {
 public:
  Records(RemoteCache& owner, std::shared_ptr<const graph::Graph> graph)
      : owner_(owner), parts_(owner.parts_), reading_(owner.reading_), graph_(std::move(graph)) {}

  asio::awaitable<void> load() override {
    co_await owner_.load();
    bases_ = co_await base_layers(graph_, parts_);
  }

  asio::awaitable<std::optional<solver::RemoteRecord>> by_key(std::string key) override {
    co_return co_await take(reading_->catalog.by_key(key));
  }

  asio::awaitable<std::optional<solver::RemoteRecord>> by_content(std::string key) override {
    co_return co_await take(reading_->catalog.by_content(key));
  }

 private:
  asio::awaitable<std::optional<solver::RemoteRecord>> take(const cache::Catalog::Entry* entry) {
    if (!entry) co_return std::nullopt;
    std::vector<DiffId> unknown;
    solver::RemoteRecord record = cache::to_remote(*entry, bases_, unknown);
    auto all_seen = [&unknown](store::Tables& tables) {
      return std::ranges::all_of(unknown, [&tables](const DiffId& diff_id) {
        return store::seen_layer(tables, diff_id).has_value();
      });
    };
    if (!unknown.empty() && !co_await parts_.store.database().run(all_seen)) co_return std::nullopt;
    try {
      co_await entry->place->bring(record.layers);
    } catch (const Error&) {
      co_return std::nullopt;  // gone or damaged since it was listed
    }
    co_return record;
  }

  RemoteCache& owner_;  ///< for load() only
  Services::Parts& parts_;
  std::shared_ptr<Reading> reading_;
  std::shared_ptr<const graph::Graph> graph_;
  cache::BaseLayers bases_;
};

RemoteCache::RemoteCache(const BuildRequest& request,
                         Caller& caller,
                         solver::StepCounter& steps,
                         Services::Parts& parts)
    : caller_(caller), steps_(steps), parts_(parts), reading_(std::make_shared<Reading>()) {
  for (std::size_t i = 0; i < request.cache_from.size(); ++i) {
    const cache::ImportOption from = cache::parse_import(request.cache_from[i]);
    if (auto place = open_import(from, i)) {
      reading_->places.push_back(std::move(place));
    } else {
      reading_->missing.push_back(from.name);
    }
  }
  for (std::size_t i = 0; i < request.cache_to.size(); ++i) {
    cache::ExportOption to = cache::parse_export(request.cache_to[i]);
    if (to.where == cache::Where::inline_) {
      in_image_ = true;
      continue;
    }
    auto place = open_export(to, i);
    exports_.push_back({std::move(to), std::move(place)});
  }
  const auto argument = request.build_args.find("BUILDKIT_INLINE_CACHE");
  if (argument != request.build_args.end() && argument->second == "1") in_image_ = true;
}

RemoteCache::~RemoteCache() = default;

/// nullptr: the client has no such directory.
std::shared_ptr<cache::Place> RemoteCache::open_import(const cache::ImportOption& option,
                                                       std::size_t index) {
  if (option.where == cache::Where::registry)
    return cache::open_registry(option.name, caller_.credentials, tools_of(parts_, {}));
  const auto passed = caller_.descriptors.find(fmt::format("{}{}", role::kCacheFrom, index));
  if (passed == caller_.descriptors.end()) return nullptr;
  return cache::open_layout({std::move(passed->second), caller_.peer, option.name, option.tag,
                             parts_.store, parts_.layers, parts_.pool, caller_.credentials});
}

/// What is wrong with a name is said before anything runs.
std::shared_ptr<cache::Place> RemoteCache::open_export(const cache::ExportOption& option,
                                                       std::size_t index) {
  if (option.where == cache::Where::registry) {
    if (Reference::parse(option.name).digest)
      throw Error(Errc::invalid_input, "--cache-to {}: a cache that is written needs a tag",
                  option.name);
    (void)cache::open_registry(option.name, caller_.credentials, tools_of(parts_, {}));
    return nullptr;
  }
  const auto passed = caller_.descriptors.find(fmt::format("{}{}", role::kCacheTo, index));
  if (passed == caller_.descriptors.end())
    throw Error(Errc::invalid_input, "--cache-to type=local,dest={}: the directory was not passed",
                option.name);
  return cache::open_layout({std::move(passed->second), caller_.peer, option.name, option.tag,
                             parts_.store, parts_.layers, parts_.pool, caller_.credentials});
}

void RemoteCache::warn(std::string text) {
  Warning warning;
  warning.text = std::move(text);
  caller_.events(std::move(warning));
}

std::shared_ptr<solver::RemoteRecords> RemoteCache::records_for(
    std::shared_ptr<const graph::Graph> graph) {
  if ((reading_->places.empty() && reading_->missing.empty()) || reading_->given_up) return nullptr;
  return std::make_shared<Records>(*this, std::move(graph));
}

asio::awaitable<void> RemoteCache::load() {
  if (reading_->done) {
    co_await reading_->done->wait();
    co_return;
  }
  const auto done = reading_->done =
      std::make_shared<os::Event>(co_await asio::this_coro::executor);
  for (const std::string& directory : reading_->missing)
    warn(fmt::format("cache {}: there is none yet; building without it", directory));
  try {
    std::vector<asio::awaitable<void>> tasks;
    for (const auto& place : reading_->places)
      tasks.push_back(load_one(place));
    co_await os::all_of(std::move(tasks));
  } catch (...) {
    done->set();
    throw;
  }
  done->set();
}

asio::awaitable<void> RemoteCache::load_one(std::shared_ptr<cache::Place> place) {
  using namespace asio::experimental::awaitable_operators;
  const auto step =
      std::make_shared<Step>(caller_.events, steps_, "importing cache from " + place->name());
  asio::steady_timer timer(co_await asio::this_coro::executor, kReadTimeout);
  auto result =
      co_await (read_or_fault(*place, parts_.pool) || timer.async_wait(asio::use_awaitable));
  std::string fault = fmt::format("it was not read within {} s", kReadTimeout.count());
  if (result.index() == 0) {
    ReadOrFault& read = std::get<0>(result);
    fault = read.fault.empty() ? why_nothing(read.contents) : read.fault;
    for (const std::string& one : read.contents.faults)
      step->log(2, one + "\n");
    for (auto& [shard, document] : read.contents.shards)
      reading_->catalog.add(place, std::move(document));
    for (cache::Document& document : read.contents.documents)
      reading_->catalog.add(place, std::move(document));
  }
  if (!fault.empty()) warn(fmt::format("cache {}: {}; building without it", place->name(), fault));
  step->done();
}

asio::awaitable<bool> RemoteCache::forget_unseen(const graph::Graph& graph,
                                                 const solver::Solver& solver,
                                                 std::exception_ptr failure) {
  std::string cause;
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    const bool of_content = error.code() == Errc::not_found || error.code() == Errc::corrupt ||
                            error.code() == Errc::unavailable || error.code() == Errc::denied;
    if (of_content) cause = error.what();
  } catch (const std::exception&) {
    co_return false;  // cancelled
  }
  if (cause.empty()) co_return false;
  const cache::BaseLayers bases = co_await base_layers(
      std::shared_ptr<const graph::Graph>(std::shared_ptr<void>(), &graph), parts_);
  const auto solved = solver.solved();
  auto forget = [&](store::Tables& tables) {
    const auto is_unseen = [&](store::LayerId id) {
      const std::optional<store::LayerRow> row = tables.layer(id);
      return row && !row->origin.empty() && !row->has_snapshot &&
             !(row->diff_id && bases.contains(*row->diff_id));
    };
    std::size_t count = 0;
    for (const solver::Solver::Solved& one : solved) {
      if (std::ranges::none_of(one.stack, is_unseen)) continue;
      tables.remove_record(one.key);
      ++count;
    }
    return count;
  };
  if (co_await parts_.store.database().run(forget) == 0) co_return false;
  reading_->given_up = true;
  warn("a layer of a step that was cached elsewhere cannot be had; its steps run here: " + cause);
  co_return true;
}

asio::awaitable<std::string> RemoteCache::image_cache(SolvedPlatform platform) {
  if (!in_image_) co_return "";
  const cache::Collection collection =
      co_await cache::collect(keys_of(platform, /*all_steps=*/false), parts_.store.database());
  std::vector<cache::Document> documents =
      cache::to_documents(collection, {}, {.exported_s = 0, .with_parts = false});
  if (documents.empty()) co_return "";
  co_return cache::to_json(documents.front());
}

asio::awaitable<void> RemoteCache::export_all(std::vector<SolvedPlatform> platforms,
                                              std::vector<std::string> pushed) {
  std::vector<Reference> places;
  for (const std::string& name : pushed)
    places.push_back(Reference::parse(name));
  for (const Export& target : exports_)
    co_await export_one(target, platforms, places);
}

asio::awaitable<void> RemoteCache::export_one(Export target,
                                              std::vector<SolvedPlatform> platforms,
                                              std::vector<Reference> pushed) {
  const auto place = target.place ? target.place
                                  : cache::open_registry(target.option.name, caller_.credentials,
                                                         tools_of(parts_, std::move(pushed)));
  const std::string what = "exporting cache to " + place->name();
  const auto step = std::make_shared<Step>(caller_.events, steps_, what);
  try {
    co_await write_records(*place, target.option.all_steps, std::move(platforms), step);
  } catch (Error& error) {
    error.add_context(what);
    if (!target.option.ignore_error) throw;
    warn(error.what());
  }
  step->done();
}

asio::awaitable<void> RemoteCache::write_records(cache::Place& place,
                                                 bool all_steps,
                                                 std::vector<SolvedPlatform> platforms,
                                                 solver::Listener step) {
  co_await place.begin_writing();
  cache::Contents contents = co_await cache::read_cache(place, parts_.pool);
  if (contents.kind == cache::Kind::image)
    throw Error(Errc::invalid_input,
                "there is an image of that name; give the cache another, or use type=inline");
  const std::int64_t now_s = os::now_ns() / 1'000'000'000;
  std::set<std::string> known;
  for (const auto& [shard, document] : contents.shards) {
    for (const cache::CachedRecord& record : document.records) {
      if (record.exported_s >= now_s - cache::kRenewSeconds) known.insert(record.key.str());
    }
  }
  std::vector<std::string> keys;
  cache::BaseLayers bases;
  for (const SolvedPlatform& platform : platforms) {
    for (std::string& key : keys_of(platform, all_steps)) {
      if (!known.contains(key)) keys.push_back(std::move(key));
    }
    const std::shared_ptr<const graph::Graph> graph(std::shared_ptr<void>(), &platform.graph);
    bases.merge(co_await base_layers(graph, parts_));
  }
  cache::Collection collection = co_await cache::collect(std::move(keys), parts_.store.database());
  co_await cache::complete(collection, bases, parts_.layers, caller_.credentials, step,
                           parts_.store.database());
  std::vector<asio::awaitable<void>> sending;
  for (const store::LayerRow& row : cache::own_layers(collection, bases))
    sending.push_back(place.put_layer(row, step));
  co_await os::all_of(std::move(sending));
  auto make = [&] {
    std::vector<cache::ShardImage> shards;
    for (const cache::Document& document :
         cache::to_documents(collection, bases, {.exported_s = now_s}))
      shards.push_back(cache::make_shard(document));
    return shards;
  };
  std::vector<cache::ShardImage> shards = co_await os::offload(parts_.pool, make);
  step->log(1, fmt::format("{} new records, {} known\n", collection.records.size(), known.size()));
  co_await cache::publish(place, std::move(shards), std::move(contents), parts_.pool);
}

}  // namespace kiln
