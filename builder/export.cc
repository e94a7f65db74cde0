#include "builder/export.h"

#include <fcntl.h>

#include <algorithm>

#include "builder/image/local.h"
#include "builder/image_store.h"
#include "builder/layer/write_layer.h"
#include "builder/os/cancellable.h"
#include "builder/snapshot/workspace.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

bool is_archive(std::string_view type) {
  return type == "oci" || type == "docker";
}

std::string output_role(std::size_t index) {
  return std::string(role::kOutput) + std::to_string(index);
}

/// Writes the root file system as a tar, or into a directory of the client's. Blocks.
void write_tree_output(bool tar,
                       const std::vector<std::filesystem::path>& lowers,
                       os::Fd to,
                       const Caller& caller,
                       store::Store& store,
                       std::stop_token stop) {
  const snapshot::View view(store.make_temp("export"), lowers);
  if (!tar) {
    image::write_local(view.root(), os::Dir(std::move(to)), caller.peer, std::move(stop));
    return;
  }
  os::FileSink sink(std::move(to), "the output");
  layer::write_tree(view.root(), sink, std::move(stop));
  sink.finish();
}

asio::awaitable<void> write_tree(bool tar,
                                 solver::Stack stack,
                                 os::Fd to,
                                 Caller& caller,
                                 std::shared_ptr<Step> step,
                                 Services::Parts& parts) {
  const auto lowers = co_await parts.layers.unpacked(std::move(stack), caller.credentials, step);
  auto work = [&](std::stop_token stop) {
    write_tree_output(tar, lowers, std::move(to), caller, parts.store, std::move(stop));
    return true;
  };
  co_await os::offload_cancellable(parts.pool, work);
}

}  // namespace

bool needs_image(const BuildRequest& request) {
  if (request.outputs.empty() || request.push || !request.tags.empty()) return true;
  for (const Output& output : request.outputs) {
    if (output.type == "image" || is_archive(output.type)) return true;
  }
  return false;
}

bool needs_tree(const BuildRequest& request) {
  return std::ranges::any_of(request.outputs, [](const Output& output) {
    return output.type == "local" || output.type == "tar";
  });
}

asio::awaitable<void> unpack_layers(solver::Stack stack,
                                    Caller& caller,
                                    solver::StepCounter& steps,
                                    Services::Parts& parts) {
  auto lacks_one = [&stack](store::Tables& tables) {
    return std::ranges::any_of(stack, [&tables](store::LayerId id) {
      const std::optional<store::LayerRow> row = tables.layer(id);
      return row && !row->has_snapshot;
    });
  };
  if (!co_await parts.store.database().run(lacks_one)) co_return;
  const auto step = std::make_shared<Step>(caller.events, steps, "[internal] unpack layers");
  co_await parts.layers.unpacked(std::move(stack), caller.credentials, step);
  step->done();
}

void check_outputs(const BuildRequest& request, const Caller& caller) {
  for (const std::string& tag : request.tags)
    static_cast<void>(parse_image_name(tag));
  if (request.push && request.tags.empty()) {
    throw Error(Errc::invalid_input, "--push needs a name to push to: add -t NAME");
  }
  for (std::size_t i = 0; i < request.outputs.size(); ++i) {
    const std::string& type = request.outputs[i].type;
    if (type == "image") continue;
    if (!is_archive(type) && type != "tar" && type != "local") {
      throw Error(Errc::invalid_input, "-o type={}: want image, oci, docker, tar or local", type);
    }
    if (!caller.descriptors.contains(output_role(i))) {
      throw Error(Errc::invalid_input, "-o type={}: needs dest=PATH", type);
    }
  }
}

asio::awaitable<void> write_images(std::vector<image::ArchivedImage> images,
                                   image::ArchiveFormat format,
                                   os::Fd to,
                                   Services::Parts& parts) {
  auto work = [&](std::stop_token stop) {
    os::FileSink sink(std::move(to), "the archive");
    image::write_archive(parts.store.blobs(), images, format, sink, std::move(stop));
    return true;
  };
  co_await os::offload_cancellable(parts.pool, work);
}

namespace {

asio::awaitable<void> write_to(os::Fd to,
                               const Output& output,
                               const Product& product,
                               Caller& caller,
                               std::shared_ptr<Step> step,
                               Services::Parts& parts) {
  if (is_archive(output.type)) {
    check(product.image.has_value(), "an archive output has an image");
    std::vector<Reference> names;
    for (const std::string& name : product.names)
      names.push_back(Reference::parse(name).or_latest());
    const auto format =
        output.type == "oci" ? image::ArchiveFormat::oci : image::ArchiveFormat::docker;
    std::vector<image::ArchivedImage> images{{*product.image, std::move(names)}};
    co_await write_images(std::move(images), format, std::move(to), parts);
  } else {
    co_await write_tree(output.type == "tar", product.stack, std::move(to), caller, step, parts);
  }
}

}  // namespace

asio::awaitable<void> write_output(const BuildRequest& request,
                                   std::size_t index,
                                   const Product& product,
                                   Caller& caller,
                                   solver::StepCounter& steps,
                                   Services::Parts& parts) {
  const Output& output = request.outputs[index];
  if (output.type == "image") co_return;
  const auto step =
      std::make_shared<Step>(caller.events, steps, fmt::format("exporting to {}", output.type));
  os::Fd to = std::move(caller.descriptors.at(output_role(index)));
  try {
    co_await write_to(std::move(to), output, product, caller, step, parts);
  } catch (Error& error) {
    const auto dest = output.attributes.find("dest");
    if (dest != output.attributes.end()) {
      error.name_full_disk(dest->second, "free some, or name another place");
      error.add_context("output " + dest->second);
    }
    throw;
  }
  step->done();
}

}  // namespace kiln
