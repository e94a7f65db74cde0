#include "builder/base_layers.h"

#include "builder/ops/image_source.h"
#include "builder/os/offload.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

void add_image(const graph::ImageSource& image,
               const store::BlobStore& blobs,
               cache::BaseLayers& layers) {
  try {
    const ops::ResolvedReference resolved = ops::read_image(blobs, image.manifest);
    for (std::size_t i = 0; i < resolved.document.layers.size(); ++i) {
      const oci::Descriptor& blob = resolved.document.layers[i];
      layers.try_emplace(
          resolved.config.diff_ids[i],
          cache::BaseLayer{blob.digest, blob.size_bytes, blob.media_type, image.reference.name()});
    }
  } catch (const Error& error) {
    // Removed or damaged since it was resolved: its layers count as anybody's.
    if (error.code() != Errc::not_found && error.code() != Errc::corrupt) throw;
  }
}

}  // namespace

asio::awaitable<cache::BaseLayers> base_layers(std::shared_ptr<const graph::Graph> graph,
                                               Services::Parts& parts) {
  auto read = [&] {
    cache::BaseLayers layers;
    for (graph::VertexId vertex = 0; vertex < graph->size(); ++vertex) {
      const graph::ImageSource* image = graph::image_source((*graph)[vertex]);
      if (image && !image->in_store) add_image(*image, parts.store.blobs(), layers);
    }
    return layers;
  };
  co_return co_await os::offload(parts.pool, read);
}

}  // namespace kiln
