#include "builder/build.h"

#include <fmt/ranges.h>

#include <boost/system/system_error.hpp>
#include <random>
#include <set>

#include "builder/build_log.h"
#include "builder/build_record.h"
#include "builder/call.h"
#include "builder/dockerfile/go_text.h"
#include "builder/early_blobs.h"
#include "builder/early_push.h"
#include "builder/export.h"
#include "builder/failed_build.h"
#include "builder/image/assemble.h"
#include "builder/image_store.h"
#include "builder/os/offload.h"
#include "builder/os/task_group.h"
#include "builder/platform_image.h"
#include "builder/prepare.h"
#include "builder/remote_cache.h"
#include "builder/step.h"
#include "builder/warnings.h"
#include "proto/shown_url.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

std::string new_build_id() {
  std::random_device random;
  return fmt::format("{:08x}{:04x}", random(), random() & 0xffffU);
}

/// One platform's part of a build.
struct PlatformBuild {
  Platform platform;
  std::shared_ptr<dockerfile::Lowered> lowered;
  std::unique_ptr<solver::Solver> solver;
  solver::Stack stack;
  std::optional<PlatformImage> image;
};

/// One build from request to result; the methods in the order in which they run.
class Build {
 public:
  Build(BuildRequest request, Caller& caller, Services::Parts& parts)
      : request_(std::move(request)),
        caller_(caller),
        parts_(parts),
        id_(new_build_id()),
        lease_(parts.leases),
        log_(parts.store.build_path(id_), steps_.began()),
        record_(described(), parts.store.database(), log_),
        to_client_(std::exchange(caller.events, {})),
        listener_(std::make_shared<BuildListener>(
            [this](BuildEvent event) { caller_.events(std::move(event)); }, steps_)),
        blobs_(parts.io, parts.layers, parts.early_blobs, caller.credentials, listener_),
        early_push_(parts.io, parts.registry, caller.credentials, listener_) {
    // Work that others wait for too goes on when this build has ended, and with it its listener.
    caller_.events = [alive = std::weak_ptr(alive_)](BuildEvent event) {
      const std::shared_ptr<Build*> held = alive.lock();
      if (held) (*held)->tell(std::move(event));
    };
  }
  Build(const Build&) = delete;
  Build& operator=(const Build&) = delete;
  ~Build() {
    listener_->end();
    caller_.events = std::move(to_client_);
  }

  asio::awaitable<Finished> run() {
    co_await record_.begin();
    caller_.events(BuildStarted{id_});
    std::exception_ptr failure;
    Finished finished;
    try {
      check_outputs(request_, caller_);
      cache_ = std::make_unique<RemoteCache>(request_, caller_, steps_, parts_);
      finished = co_await build();
    } catch (Error& error) {
      error.name_full_disk(parts_.store.root().native(), store::kFreeSpace);
      failure = std::current_exception();
    } catch (...) {
      failure = std::current_exception();
    }
    // The build's end is recorded also when it was cancelled.
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await asio::this_coro::throw_if_cancelled(false);
    try {
      co_await blobs_.stop();
      co_await early_push_.stop();
      co_await (failure ? record_.fail(failure) : record_.finish(finished));
    } catch (...) {
      // A full disk fails the build and then its record too: the first failure is the cause.
      if (!failure) failure = std::current_exception();
    }
    if (failure) std::rethrow_exception(failure);
    co_return finished;
  }

 private:
  void tell(BuildEvent event) {
    log_.write(event);
    to_client_(std::move(event));
  }

  asio::awaitable<Finished> build() {
    // Read what the client passed.
    const BuildInputs inputs = co_await load();

    // Plan and solve every platform: from here on steps run. Assemble the image, and name it.
    std::vector<PlatformBuild> platforms = chosen_platforms();
    Product product = co_await make(inputs, platforms);

    // Hand it out.
    for (std::size_t i = 0; i < request_.outputs.size(); ++i) {
      co_await write_output(request_, i, product, caller_, steps_, parts_);
    }
    if (wants_push()) product = co_await push(inputs, platforms, std::move(product));
    co_await cache_->export_all(solved(platforms),
                                wants_push() ? product.names : std::vector<std::string>{});
    co_return result(product);
  }

  /// Once more without the caches of other machines, when they promised layers that they don't
  /// have.
  asio::awaitable<Product> make(const BuildInputs& inputs, std::vector<PlatformBuild>& platforms) {
    for (bool again = false;; again = true) {
      std::exception_ptr failure;
      try {
        co_return co_await make_once(inputs, platforms);
      } catch (...) {
        failure = std::current_exception();
      }
      bool better = false;
      for (PlatformBuild& one : platforms) {
        if (!again && one.solver &&
            co_await cache_->forget_unseen(one.lowered->graph, *one.solver, failure))
          better = true;
      }
      if (!better) std::rethrow_exception(failure);
    }
  }

  asio::awaitable<Product> make_once(const BuildInputs& inputs,
                                     std::vector<PlatformBuild>& platforms) {
    std::vector<asio::awaitable<void>> solving;
    for (PlatformBuild& one : platforms)
      solving.push_back(solve(inputs, one));
    co_await os::all_of(std::move(solving));
    Product product{std::nullopt, platforms.front().stack, {}};
    if (needs_tree(request_)) co_await unpack_layers(product.stack, caller_, steps_, parts_);
    if (!needs_image(request_)) co_return product;
    const auto step = std::make_shared<Step>(caller_.events, steps_, "exporting to image");
    co_await with_early_sync(assemble(platforms, step), parts_);
    const bool alone = platforms.size() == 1 && !wants_index();
    product.image = alone ? platforms.front().image->manifest : co_await join(platforms);
    product.names = co_await name_image(*product.image, request_.tags, parts_);
    step->done();
    co_return product;
  }

  [[nodiscard]] static SolvedPlatform solved(const PlatformBuild& one) {
    return {one.lowered->graph, *one.solver, one.stack};
  }
  [[nodiscard]] static std::vector<SolvedPlatform> solved(
      const std::vector<PlatformBuild>& platforms) {
    std::vector<SolvedPlatform> all;
    for (const PlatformBuild& one : platforms)
      all.push_back(solved(one));
    return all;
  }

  asio::awaitable<BuildInputs> load() {
    const std::string& name = request_.dockerfile_name;
    const auto step = std::make_shared<Step>(
        caller_.events, steps_,
        "[internal] load build definition from " + (name.empty() ? "Dockerfile" : name));
    BuildInputs inputs = co_await read_inputs(request_, caller_, step, parts_);
    step->done();
    co_return inputs;
  }

  [[nodiscard]] std::vector<PlatformBuild> chosen_platforms() const {
    std::vector<PlatformBuild> platforms;
    for (const std::string& text : request_.platforms)
      platforms.push_back({Platform::parse(text), {}, {}, {}, {}});
    if (platforms.empty()) platforms.push_back({Platform::host(), {}, {}, {}, {}});
    return platforms;
  }

  /// A Dockerfile that cannot be built is warned about all the same.
  asio::awaitable<dockerfile::Lowered> lower(const BuildInputs& inputs, Platform platform) {
    dockerfile::LowerOptions options = to_options(request_, platform, inputs.ignore, parts_.config);
    try {
      throw_mistakes(inputs, options);
      co_return co_await plan(inputs, std::move(options), request_.pull, listener_, parts_);
    } catch (const dockerfile::DockerfileError& error) {
      warnings_.tell(inputs.document, error.warnings(), caller_.events);
      throw;
    }
  }

  asio::awaitable<void> solve(const BuildInputs& inputs, PlatformBuild& one) {
    if (!one.lowered) {
      one.lowered = std::make_shared<dockerfile::Lowered>(co_await lower(inputs, one.platform));
      warnings_.tell(inputs.document, one.lowered->warnings, caller_.events);
    }
    // The graph lives as long as any work on it, also work that another build waits for.
    const std::shared_ptr<const graph::Graph> graph(one.lowered, &one.lowered->graph);
    const auto executor =
        std::make_shared<ops::BuildExecutor>(graph, inputs.client, *parts_.workshop);
    one.solver = std::make_unique<solver::Solver>(
        graph, executor, parts_.executions, parts_.store.database(), parts_.leases, caller_.events,
        steps_, cache_->records_for(graph));
    if (needs_image(request_)) {
      begin_blobs_of(one);
      if (!needs_tree(request_)) want_blobs(*executor, *graph, one.lowered->target);
    }
    std::exception_ptr failure;
    try {
      std::vector<solver::Stack> stacks = co_await one.solver->solve({one.lowered->target});
      one.stack = std::move(stacks.front());
    } catch (...) {
      failure = std::current_exception();
    }
    if (failure) {
      rethrow_at_step(failure, inputs.document, one.lowered->graph, *one.solver,
                      {id_, caller_.peer.uid, log_}, parts_);
    }
  }

  /// What only becomes a layer of the image is packed at once, and sent while it is packed.
  void want_blobs(ops::BuildExecutor& executor, const graph::Graph& graph, graph::VertexId target) {
    std::function<void(std::shared_ptr<store::GrowingBlob>)> begun;
    if (wants_push() && !request_.tags.empty()) {
      begun = [alive = std::weak_ptr(alive_), name = Reference::parse(request_.tags.front())](
                  std::shared_ptr<store::GrowingBlob> blob) {
        const std::shared_ptr<Build*> held = alive.lock();
        if (held) (*held)->early_push_.begin(name, std::move(blob));
      };
    }
    executor.want_blobs_of(graph.only_stacked(target), std::move(begun));
  }

  /// Layers of the image are packed while later steps run.
  void begin_blobs_of(PlatformBuild& one) {
    std::set<graph::VertexId> own;
    for (const dockerfile::StepHistory& step : one.lowered->history)
      if (step.vertex) own.insert(*step.vertex);
    one.solver->when_run(
        [this, own = std::move(own)](graph::VertexId vertex, const solver::Stack& stack) {
          if (own.contains(vertex)) blobs_.begin(stack);
        });
  }

  asio::awaitable<void> assemble(std::vector<PlatformBuild>& platforms,
                                 std::shared_ptr<Step> step) {
    for (PlatformBuild& one : platforms) {
      std::vector<store::LayerRow> layers =
          co_await parts_.layers.with_blobs(one.stack, caller_.credentials, step);
      std::string cache = co_await cache_->image_cache(solved(one));
      one.image =
          co_await store_platform_image(*one.lowered, std::move(layers), std::move(cache), parts_);
      lease_.add(one.image->manifest.digest);
      lease_.add(one.image->config);
      config_digest_ = one.image->config.str();
    }
  }

  asio::awaitable<oci::Descriptor> join(const std::vector<PlatformBuild>& platforms) {
    std::vector<oci::Descriptor> manifests;
    for (const PlatformBuild& one : platforms)
      manifests.push_back(one.image->manifest);
    auto work = [&] { return image::store_index(parts_.store.blobs(), std::move(manifests)); };
    oci::Descriptor index = co_await os::offload(parts_.pool, work);
    lease_.add(index.digest);
    co_return index;
  }

  [[nodiscard]] std::string build_argument(const std::string& name) const {
    const auto given = request_.build_args.find(name);
    return given == request_.build_args.end() ? "" : given->second;
  }

  /// An index also of one platform.
  [[nodiscard]] bool wants_index() const {
    return dockerfile::parse_bool(build_argument("BUILDKIT_MULTI_PLATFORM")).value_or(false);
  }

  /// What is known of the build before it begins.
  [[nodiscard]] store::BuildRow described() const {
    store::BuildRow row;
    row.id = id_;
    row.summary = summary();
    row.target = request_.target;
    row.names = fmt::format("{}", fmt::join(request_.tags, " "));
    return row;
  }

  /// What the record of the build is called.
  [[nodiscard]] std::string summary() const {
    const std::string name = build_argument("BUILDKIT_BUILD_NAME");
    return name.empty() ? shown_url(request_.context_name) : name;
  }

  [[nodiscard]] bool wants_push() const {
    if (request_.push) return true;
    for (const Output& output : request_.outputs) {
      const auto push = output.attributes.find("push");
      if (output.type == "image" && push != output.attributes.end() && push->second == "true")
        return true;
    }
    return false;
  }

  /// A layer that turns out to be damaged, and is there in no other form, is made once more.
  asio::awaitable<Product> push(const BuildInputs& inputs,
                                std::vector<PlatformBuild>& platforms,
                                Product product) {
    co_await early_push_.join();
    std::exception_ptr failure;
    try {
      co_await push_all(product);
      co_return product;
    } catch (...) {
      failure = std::current_exception();
    }
    if (!co_await has_lost_a_layer(platforms)) std::rethrow_exception(failure);
    product = co_await make(inputs, platforms);
    co_await push_all(product);
    co_return product;
  }

  asio::awaitable<bool> has_lost_a_layer(const std::vector<PlatformBuild>& platforms) {
    auto look = [this, &platforms](store::Tables& tables) {
      for (const PlatformBuild& one : platforms) {
        for (const store::LayerId id : one.stack) {
          const std::optional<store::LayerRow> layer = tables.layer(id);
          if (!layer || !parts_.layers.available(*layer)) return true;
        }
      }
      return false;
    };
    co_return co_await parts_.store.database().run(look);
  }

  asio::awaitable<void> push_all(const Product& product) {
    for (const std::string& name : product.names) {
      const auto step = std::make_shared<Step>(caller_.events, steps_, "pushing " + name);
      co_await push_named(*product.image, Reference::parse(name).or_latest(), caller_.credentials,
                          step, parts_);
      step->done();
    }
  }

  [[nodiscard]] Finished result(const Product& product) const {
    Finished finished;
    finished.build_id = id_;
    finished.names = product.names;
    if (std::string warnings = warnings_.metadata(); !warnings.empty())
      finished.metadata["buildx.build.warnings"] = std::move(warnings);
    if (product.image) {
      finished.image_digest = product.image->digest.str();
      finished.config_digest = config_digest_;
    }
    return finished;
  }

  BuildRequest request_;
  Caller& caller_;
  Services::Parts& parts_;
  solver::StepCounter steps_;
  std::string id_;
  store::Lease lease_;  // while it lives, pruning spares what was written or found since
  BuildLog log_;
  BuildRecord record_;
  EventSink to_client_;
  std::shared_ptr<BuildListener> listener_;  // of what belongs to no step
  EarlyBlobs blobs_;
  EarlyPush early_push_;
  std::unique_ptr<RemoteCache> cache_;
  Warnings warnings_;
  std::string config_digest_;
  std::shared_ptr<Build*> alive_ = std::make_shared<Build*>(this);  // the first to go
};

}  // namespace

asio::awaitable<Finished> run_build(BuildRequest request, Caller& caller, Services& services) {
  if (is_question(request)) co_return co_await answer_question(request, caller, services.parts());
  Build build(std::move(request), caller, services.parts());
  co_return co_await build.run();
}

}  // namespace kiln
