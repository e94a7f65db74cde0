// What remote sources gave, kept as cache records: the layer, and notes on where it came from.
//
// A record keeps its layer from being collected, and one whose layer is gone is no record.
// Thread: the event loop's.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <optional>
#include <string>

#include "builder/ops/executor.h"
#include "proto/digest.h"

namespace kiln::ops {

struct KeptSource {
  solver::Stack stack;
  std::map<std::string, std::string> notes;

  /// A note, "" when there is none of that name.
  [[nodiscard]] std::string note(const std::string& name) const;
};

/// The record of `key`, touched; nullopt when there is none or a layer of it is gone.
boost::asio::awaitable<std::optional<KeptSource>> find_kept(Digest key, Workshop& workshop);

/// Replaces the record of `key`. `name` is for people: no secrets.
boost::asio::awaitable<void> keep(Digest key,
                                  std::string name,
                                  KeptSource source,
                                  Workshop& workshop);

}  // namespace kiln::ops
