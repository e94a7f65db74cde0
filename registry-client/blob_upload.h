// A blob on its way out: mounted from another repository when it can be, else POST and PUT.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <string>

#include "proto/oci.h"
#include "registry-client/session.h"
#include "registry-client/upload_body.h"

namespace kiln::registry {

/// Makes one attempt to bring the blob into the session's repository; `body` is rewound first.
/// True when bytes were sent. `session` and `body` must outlive the await.
/// source: OCI distribution-spec v1.1 "POST then PUT", "Mounting a blob from another repository".
boost::asio::awaitable<bool> upload_blob(Session& session,
                                         oci::Descriptor descriptor,
                                         UploadBody& body,
                                         std::optional<std::string> mount_from);

/// Sends a blob while it grows; `describe` says what it has become when `body` has ended. False
/// when the repository has it already. `session` and `body` must outlive the await.
boost::asio::awaitable<bool> upload_growing_blob(Session& session,
                                                 UploadBody& body,
                                                 std::function<oci::Descriptor()> describe);

}  // namespace kiln::registry
