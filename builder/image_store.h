// Images of the store by name: what the user typed → a manifest, and back.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "builder/services_parts.h"
#include "proto/oci.h"

namespace kiln {

/// The image that `text` names: a reference (without a tag: latest) or at least 4 hex digits of its
/// manifest's or configuration's digest. Throws Error{not_found} naming the text.
boost::asio::awaitable<store::ImageRow> find_image(std::string text, Services::Parts& parts);

/// The reference that `name` gives to an image: with a tag, and never with a digest.
/// Throws Error{invalid_input} naming it.
[[nodiscard]] Reference parse_image_name(const std::string& name);

/// Gives the manifest or index every one of the names; without any it is kept under its digest
/// alone. Durable when it returns. Returns the names in their familiar form.
boost::asio::awaitable<std::vector<std::string>> name_image(oci::Descriptor root,
                                                            std::vector<std::string> names,
                                                            Services::Parts& parts);

/// Downloads the image's missing layer blobs, so that it is whole.
boost::asio::awaitable<void> complete_blobs(oci::Manifest manifest,
                                            std::string origin,
                                            registry::CredentialsProvider credentials,
                                            solver::Listener listener,
                                            Services::Parts& parts);

/// Makes or downloads again what is missing of the image's layer blobs, where the store knows how.
boost::asio::awaitable<void> restore_image(oci::Descriptor root,
                                           registry::CredentialsProvider credentials,
                                           solver::Listener listener,
                                           Services::Parts& parts);

/// Pushes an image of the store under `target`, with its progress on `listener`.
boost::asio::awaitable<void> push_named(oci::Descriptor root,
                                        Reference target,
                                        registry::CredentialsProvider credentials,
                                        solver::Listener listener,
                                        Services::Parts& parts);

/// The manifest for this machine's platform when `digest` is an index, else the one it is. Blocks.
[[nodiscard]] Digest platform_manifest(const store::BlobStore& blobs, const Digest& digest);

}  // namespace kiln
