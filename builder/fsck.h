// `kiln fsck`: reads everything in the store and says what is not as it should be.
//
// Runs beside builds: what they hold is looked at and left to them. What counts as sound:
//   database   SQLite's own check of the whole file
//   blob       its bytes have the digest that is its name
//   snapshot   remade as a tar it has the layer's diff id; or it is what the layer's blob unpacks
//   to;
//              where neither is known, all of it can be read, and no file was written after it was
//              made (damage by a disk that leaves the times alone is not seen there)
//   record     its layers are there in some form, or a registry has them
//   image      its documents are sound and its layers are there, or can be made or fetched again
//   git copy   git fsck
#pragma once

#include <boost/asio/awaitable.hpp>

#include "builder/build.h"
#include "builder/services.h"
#include "proto/messages.h"

namespace kiln {

/// The report is in the metadata "fsck" of the result. With request.repair what is broken is
/// dropped: a snapshot is made again from its blob, a blob from its snapshot or its registry, and a
/// record that lacks a layer is a miss.
boost::asio::awaitable<Finished> check_store(FsckRequest request,
                                             Caller& caller,
                                             Services& services);

}  // namespace kiln
