// Regular files of a layer whose bytes lie elsewhere than in its directory.
//
// A copy whose result nobody mounts need not be written as files first: its directory has all but
// the regular files, and those are read from where they come from when the layer is packed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "builder/layer/attributes.h"
#include "builder/os/fd.h"

namespace kiln::layer {

class OutsideFiles {
 public:
  virtual ~OutsideFiles() = default;

  /// Names, sorted bytewise, and what open() calls the files.
  using Names = std::map<std::string, std::size_t, std::less<>>;
  /// Those that belong into one directory of the layer; each hides what the layer's directory has
  /// of that name. `directory` is relative to the root, which is "". nullptr for none.
  [[nodiscard]] virtual const Names* in(std::string_view directory) const = 0;

  struct Opened {
    os::Fd fd;
    Attributes attributes;
    std::uint64_t size_bytes = 0;
  };
  /// Opens one for reading its content once, from the start.
  [[nodiscard]] virtual Opened open(std::size_t file) = 0;
  /// Called when the content was read: throws when it may not be what was meant to be read.
  virtual void check(std::size_t file, const Opened& opened) const = 0;
};

}  // namespace kiln::layer
