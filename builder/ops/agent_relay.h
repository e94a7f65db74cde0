// The SSH agent protocol, as far as a build may speak it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>

namespace kiln::ops {

/// Passes requests of `ours` that only use the agent's keys to `agent`, and its answers back;
/// others are answered with a failure. Until one end closes: throws boost::system::system_error
/// then. Throws Error for a message over the protocol's limit.
boost::asio::awaitable<void> relay_agent(boost::asio::local::stream_protocol::socket& ours,
                                         boost::asio::local::stream_protocol::socket& agent);

}  // namespace kiln::ops
