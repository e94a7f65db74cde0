#include "builder/images.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "builder/export.h"
#include "builder/image_store.h"
#include "builder/ops/image_source.h"
#include "builder/os/cancellable.h"
#include "builder/os/task_group.h"
#include "builder/step.h"
#include "builder/store/gc.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

std::string display_name(const store::ImageRow& row) {
  return row.reference.front() == store::kUnnamed ? "<none>"
                                                  : Reference::parse(row.reference).familiar();
}

oci::Descriptor root_of(const store::ImageRow& row) {
  return {row.media_type, row.manifest, row.size_bytes, {}, {}};
}

std::uint64_t size_of(const oci::Manifest& manifest) {
  std::uint64_t total = manifest.config.size_bytes;
  for (const oci::Descriptor& layer : manifest.layers)
    total += layer.size_bytes;
  return total;
}

ImageSummary summarize(const store::BlobStore& blobs, const store::ImageRow& row) {
  const ops::ResolvedReference image =
      ops::read_image(blobs, platform_manifest(blobs, row.manifest));
  return {display_name(row),
          row.manifest.str(),
          image.document.config.digest.str(),
          image.config.platform.str(),
          row.size_bytes + size_of(image.document),
          image.config.created};
}

/// Newest first, with the compressed size of each layer.
std::vector<HistoryRow> history_of(const ops::ResolvedReference& image) {
  std::vector<HistoryRow> rows;
  std::size_t layer = 0;
  for (const oci::HistoryEntry& entry : image.config.history) {
    HistoryRow row{entry.created, entry.created_by, entry.comment, 0, entry.empty_layer};
    if (!entry.empty_layer && layer < image.document.layers.size()) {
      row.size_bytes = image.document.layers[layer++].size_bytes;
    }
    rows.push_back(std::move(row));
  }
  std::ranges::reverse(rows);
  return rows;
}

std::string describe(const store::BlobStore& blobs, const store::ImageRow& row) {
  using Json = nlohmann::ordered_json;
  const Digest manifest = platform_manifest(blobs, row.manifest);
  const std::string text = blobs.read(manifest, oci::kMaxDocumentBytes);
  const oci::Manifest document = oci::parse_manifest(text);
  const Json json{
      {"reference", display_name(row)},
      {"digest", row.manifest.str()},
      {"media_type", row.media_type},
      {"size_bytes", row.size_bytes + size_of(document)},
      {"manifest", Json::parse(text)},
      {"config", Json::parse(blobs.read(document.config.digest, oci::kMaxDocumentBytes))}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

asio::awaitable<Finished> pull_image(TransferRequest request, Caller& caller, Services& services) {
  Services::Parts& parts = services.parts();
  const store::Lease lease(parts.leases);  // pruning spares what this finds or writes
  const Reference reference = Reference::parse(request.reference).or_latest();
  const Platform platform =
      request.platform.empty() ? Platform::host() : Platform::parse(request.platform);
  solver::StepCounter steps;
  const auto step = std::make_shared<Step>(caller.events, steps, "pulling " + reference.familiar());
  const ops::ResolvedReference image = co_await ops::resolve_reference(
      reference, platform, true, caller.credentials, *parts.workshop);
  co_await complete_blobs(image.document, reference.name(), caller.credentials, step, parts);
  auto measure = [&] { return parts.store.blobs().size(image.manifest).value(); };
  const std::uint64_t size = co_await os::offload(parts.pool, measure);
  Reference name = reference;
  if (name.tag) name.digest.reset();
  std::vector<std::string> names;
  if (name.tag) names.push_back(name.str());
  co_await parts.layers.of_image(image.document, image.config, reference.name());
  names = co_await name_image({image.document.media_type, image.manifest, size, {}, {}},
                              std::move(names), parts);
  step->done();
  co_return Finished{
      "", image.manifest.str(), image.document.config.digest.str(), std::move(names), {}};
}

asio::awaitable<Finished> push_image(TransferRequest request, Caller& caller, Services& services) {
  Services::Parts& parts = services.parts();
  const store::Lease lease(parts.leases);  // pruning spares what this finds or writes
  const store::ImageRow row = co_await find_image(request.reference, parts);
  if (row.reference.front() == store::kUnnamed) {
    throw Error(Errc::invalid_input,
                "{}: the image has no name to push it to; give it one with `kiln tag`",
                request.reference);
  }
  const Reference target = Reference::parse(row.reference);
  solver::StepCounter steps;
  const auto step = std::make_shared<Step>(caller.events, steps, "pushing " + target.familiar());
  co_await push_named(root_of(row), target, caller.credentials, step, parts);
  step->done();
  co_return Finished{"", row.manifest.str(), "", {target.familiar()}, {}};
}

asio::awaitable<Finished> save_images(SaveRequest request, Caller& caller, Services& services) {
  Services::Parts& parts = services.parts();
  const store::Lease lease(parts.leases);  // pruning spares what this finds or writes
  if (request.format != "oci" && request.format != "docker" && !request.format.empty()) {
    throw Error(Errc::invalid_input, "--format {}: want oci or docker", request.format);
  }
  const auto output = caller.descriptors.find(std::string(role::kOutput) + "0");
  if (output == caller.descriptors.end())
    throw Error(Errc::invalid_input, "the request has no output descriptor");
  std::vector<image::ArchivedImage> images;
  Finished finished;
  for (const std::string& reference : request.references) {
    const store::ImageRow row = co_await find_image(reference, parts);
    std::vector<Reference> names;
    if (row.reference.front() != store::kUnnamed) names.push_back(Reference::parse(row.reference));
    images.push_back({root_of(row), std::move(names)});
    finished.image_digest = row.manifest.str();
    finished.names.push_back(display_name(row));
  }
  solver::StepCounter steps;
  const auto step = std::make_shared<Step>(caller.events, steps, "saving");
  const auto format =
      request.format == "docker" ? image::ArchiveFormat::docker : image::ArchiveFormat::oci;
  for (const image::ArchivedImage& image : images)
    co_await restore_image(image.root, caller.credentials, step, parts);
  co_await write_images(std::move(images), format, std::move(output->second), parts);
  step->done();
  co_return finished;
}

asio::awaitable<Finished> load_images(Caller& caller, Services& services) {
  Services::Parts& parts = services.parts();
  store::Lease lease(parts.leases);  // pruning spares what this finds or writes
  const auto input = caller.descriptors.find(std::string(role::kContext));
  if (input == caller.descriptors.end())
    throw Error(Errc::invalid_input, "the request has no archive descriptor");
  solver::StepCounter steps;
  const auto step = std::make_shared<Step>(caller.events, steps, "loading");
  auto read = [&](std::stop_token stop) {
    return image::read_archive(
        std::make_unique<os::FileSource>(std::move(input->second), "the archive"),
        parts.store.blobs(), std::move(stop), &lease);
  };
  const std::vector<image::ArchivedImage> images =
      co_await os::offload_cancellable(parts.pool, read);
  Finished finished;
  for (const image::ArchivedImage& image : images) {
    std::vector<std::string> names;
    for (const Reference& name : image.names)
      names.push_back(name.str());
    for (std::string& name : co_await name_image(image.root, std::move(names), parts)) {
      finished.names.push_back(std::move(name));
    }
    finished.image_digest = image.root.digest.str();
  }
  step->done();
  co_return finished;
}

asio::awaitable<std::vector<ImageSummary>> list_images(Services& services) {
  Services::Parts& parts = services.parts();
  auto read = [](store::Tables& tables) { return tables.images(); };
  const std::vector<store::ImageRow> rows = co_await parts.store.database().run(read);
  auto summarize_all = [&] {
    std::vector<ImageSummary> summaries;
    for (const store::ImageRow& row : rows)
      summaries.push_back(summarize(parts.store.blobs(), row));
    return summaries;
  };
  co_return co_await os::offload(parts.pool, summarize_all);
}

asio::awaitable<std::string> inspect_image(std::string reference, Services& services) {
  Services::Parts& parts = services.parts();
  const store::ImageRow row = co_await find_image(std::move(reference), parts);
  auto work = [&] { return describe(parts.store.blobs(), row); };
  co_return co_await os::offload(parts.pool, work);
}

asio::awaitable<std::vector<HistoryRow>> image_history(std::string reference, Services& services) {
  Services::Parts& parts = services.parts();
  const store::ImageRow row = co_await find_image(std::move(reference), parts);
  auto work = [&] {
    const store::BlobStore& blobs = parts.store.blobs();
    return history_of(ops::read_image(blobs, platform_manifest(blobs, row.manifest)));
  };
  co_return co_await os::offload(parts.pool, work);
}

asio::awaitable<void> tag_image(std::string source, std::string target, Services& services) {
  Services::Parts& parts = services.parts();
  const store::ImageRow row = co_await find_image(std::move(source), parts);
  std::vector<std::string> names{std::move(target)};
  co_await name_image(root_of(row), std::move(names), parts);
}

asio::awaitable<void> remove_image(std::string reference, Services& services) {
  Services::Parts& parts = services.parts();
  const store::ImageRow row = co_await find_image(std::move(reference), parts);
  const store::Reserve::Use room(parts.store.reserve());
  auto remove = [&row](store::Tables& tables) { tables.remove_image(row.reference); };
  co_await parts.store.database().run(remove);
}

asio::awaitable<PruneReport> prune(PruneRequest request, Services& services) {
  Services::Parts& parts = services.parts();
  const store::Reserve::Use room(parts.store.reserve());
  co_return co_await parts.collector.prune(request);
}

asio::awaitable<DiskUsage> disk_usage(Services& services, bool with_items) {
  Services::Parts& parts = services.parts();
  auto work = [&] { return store::disk_usage(parts.store, parts.leases, with_items); };
  co_return co_await os::offload(parts.pool, work);
}

asio::awaitable<DaemonInfo> builder_info(Services& services) {
  Services::Parts& parts = services.parts();
  DaemonInfo info;
  info.entries = {{"root", parts.store.root().string()},
                  {"runtime", parts.runtime->description()},
                  {"network", parts.config.network},
                  {"platform", Platform::host().str()}};
  for (auto& entry : parts.collector.status())
    info.entries.push_back(std::move(entry));
  for (const std::string& note : services.notes())
    info.entries.emplace_back("note", note);
  co_return info;
}

}  // namespace kiln
