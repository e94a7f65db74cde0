// What a build gives besides the image in the store: archives, trees, a push.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "builder/build.h"
#include "builder/image/archive.h"
#include "builder/services_parts.h"
#include "builder/step.h"

namespace kiln {

/// What was built, for the outputs.
struct Product {
  std::optional<oci::Descriptor> image;  ///< manifest or index, when an output needs one
  solver::Stack stack;                   ///< the root file system (of the first platform)
  std::vector<std::string> names;
};

/// True when one of the outputs, a tag or a push needs the image itself.
[[nodiscard]] bool needs_image(const BuildRequest& request);

/// True when one of the outputs consists of the root file system itself.
[[nodiscard]] bool needs_tree(const BuildRequest& request);

/// Fetches and unpacks what is not unpacked yet, before anything is written to an output: until
/// then there is a way without a layer that cannot be had.
boost::asio::awaitable<void> unpack_layers(solver::Stack stack,
                                           Caller& caller,
                                           solver::StepCounter& steps,
                                           Services::Parts& parts);

/// Checks the outputs of a request before anything runs. Throws Error{invalid_input} naming the
/// flag.
void check_outputs(const BuildRequest& request, const Caller& caller);

/// Writes output `index` of the request to the descriptor that the caller passed for it.
boost::asio::awaitable<void> write_output(const BuildRequest& request,
                                          std::size_t index,
                                          const Product& product,
                                          Caller& caller,
                                          solver::StepCounter& steps,
                                          Services::Parts& parts);

/// Writes archives of images to a descriptor.
boost::asio::awaitable<void> write_images(std::vector<image::ArchivedImage> images,
                                          image::ArchiveFormat format,
                                          os::Fd to,
                                          Services::Parts& parts);

}  // namespace kiln
