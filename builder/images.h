// What is done with images after they are built, and with the store as a whole.
//
// References are what the user typed; names without a tag mean :latest; an image may also be named
// by (a prefix of at least 4 hex digits of) its manifest or configuration digest. Unknown:
// Error{not_found}.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "builder/build.h"
#include "builder/services.h"
#include "proto/messages.h"

namespace kiln {

boost::asio::awaitable<Finished> pull_image(TransferRequest request,
                                            Caller& caller,
                                            Services& services);
boost::asio::awaitable<Finished> push_image(TransferRequest request,
                                            Caller& caller,
                                            Services& services);
/// Writes an OCI or docker archive to the descriptor output:0.
boost::asio::awaitable<Finished> save_images(SaveRequest request,
                                             Caller& caller,
                                             Services& services);
/// Reads an OCI or docker archive from the descriptor context.
boost::asio::awaitable<Finished> load_images(Caller& caller, Services& services);

boost::asio::awaitable<std::vector<ImageSummary>> list_images(Services& services);
/// {"reference","digest","media_type","size_bytes","manifest":{…},"config":{…}}
boost::asio::awaitable<std::string> inspect_image(std::string reference, Services& services);
boost::asio::awaitable<std::vector<HistoryRow>> image_history(std::string reference,
                                                              Services& services);
boost::asio::awaitable<void> tag_image(std::string source, std::string target, Services& services);
boost::asio::awaitable<void> remove_image(std::string reference, Services& services);

boost::asio::awaitable<PruneReport> prune(PruneRequest request, Services& services);
/// `with_items`: each thing that takes space, too.
boost::asio::awaitable<DiskUsage> disk_usage(Services& services, bool with_items);
boost::asio::awaitable<DaemonInfo> builder_info(Services& services);

}  // namespace kiln
