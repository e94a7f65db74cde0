#include "builder/platform_image.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

#include "builder/image/assemble.h"
#include "builder/os/offload.h"
#include "builder/os/task_group.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

/// An image whose blobs are there is assembled in less.
constexpr std::chrono::milliseconds kEarlySyncAfter{20};

/// New steps with the dates of their layers: the top layers of the stack, in order.
std::vector<image::NewStep> new_steps(const dockerfile::Lowered& lowered,
                                      const std::vector<store::LayerRow>& layers) {
  std::size_t made = 0;
  for (const dockerfile::StepHistory& step : lowered.history)
    made += step.vertex ? 1 : 0;
  check(made <= layers.size(), "every step made one layer");
  std::size_t next = layers.size() - made;
  std::vector<image::NewStep> steps;
  for (const dockerfile::StepHistory& step : lowered.history) {
    image::NewStep one_step{step.entry, std::nullopt};
    if (step.vertex) one_step.layer_created_ns = layers[next++].created_ns;
    steps.push_back(std::move(one_step));
  }
  return steps;
}

asio::awaitable<void> sync_after(asio::steady_timer& timer, Services::Parts& parts) {
  const auto [cancelled] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
  if (cancelled) co_return;
  auto sync = [&parts] { parts.store.sync(); };
  co_await os::offload(parts.pool, sync);
}

asio::awaitable<void> then_cancel(asio::awaitable<void> work, asio::steady_timer& timer) {
  co_await std::move(work);
  timer.cancel();
}

}  // namespace

asio::awaitable<PlatformImage> store_platform_image(const dockerfile::Lowered& lowered,
                                                    std::vector<store::LayerRow> layers,
                                                    std::string cache,
                                                    Services::Parts& parts) {
  auto store = [&] {
    oci::ImageConfig config = image::complete_config(
        lowered.config, layers, new_steps(lowered, layers), lowered.source_date_epoch);
    config.cache = std::move(cache);
    const store::BlobStore& blobs = parts.store.blobs();
    const oci::Descriptor manifest = image::store_image(blobs, config, layers);
    const std::string text = blobs.read(manifest.digest, oci::kMaxDocumentBytes);
    return PlatformImage{manifest, oci::parse_manifest(text).config.digest};
  };
  co_return co_await os::offload(parts.pool, store);
}

asio::awaitable<void> with_early_sync(asio::awaitable<void> work, Services::Parts& parts) {
  asio::steady_timer timer(co_await asio::this_coro::executor, kEarlySyncAfter);
  std::vector<asio::awaitable<void>> tasks;
  tasks.push_back(then_cancel(std::move(work), timer));
  tasks.push_back(sync_after(timer, parts));
  co_await os::all_of(std::move(tasks));
}

}  // namespace kiln
