// The client's secrets, by id, for sources that need credentials.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <optional>
#include <string>

namespace kiln::ops {

/// The value of the client's secret `id`; nullopt when it has none. May be empty: no client.
using SecretLookup =
    std::function<boost::asio::awaitable<std::optional<std::string>>(std::string id)>;

}  // namespace kiln::ops
