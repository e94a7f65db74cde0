// What sources on the network share: connections, and work that runs once.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <map>
#include <string>

#include "builder/ops/http_source.h"
#include "builder/os/task_group.h"
#include "builder/solver/in_flight.h"
#include "registry-client/web_client.h"

namespace kiln::ops {

struct RemoteSources {
  /// `options` as for registries: whom to trust. `pool` outlives it.
  RemoteSources(boost::asio::any_io_executor executor_of_loop,
                boost::asio::thread_pool& pool,
                registry::Client::Options options)
      : executor(executor_of_loop),
        web(pool, std::move(options)),
        web_files(executor),
        git_trees(executor) {}

  /// Waits until no background work is left.
  boost::asio::awaitable<void> drain() {
    co_await web_files.drain();
    co_await git_trees.drain();
  }

  /// One user at a time of the store's copy of a repository.
  os::Limiter& repository(const std::string& url) {
    return repositories.try_emplace(url, executor, 1).first->second;
  }

  boost::asio::any_io_executor executor;
  registry::WebClient web;
  solver::InFlight<WebFile> web_files;
  solver::InFlight<solver::Stack> git_trees;
  std::map<std::string, os::Limiter> repositories;  ///< by URL
};

}  // namespace kiln::ops
