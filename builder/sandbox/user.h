// Users and groups by name, as an image's own /etc/passwd and /etc/group say.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "builder/os/dir.h"

namespace kiln::sandbox {

struct User {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups;  ///< supplementary, without gid
  std::string home = "/";
};

/// Resolves "user[:group]" in the root file system; numbers need no entry. "" is root. Throws
/// Error{not_found} naming the user or group and the file that lacks it.
/// source: moby/sys/user GetExecUser: a numeric uid without an entry gets gid 0
[[nodiscard]] User resolve_user(const os::Dir& root, std::string_view text);

/// Who owns files.
struct Owner {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::string> unknown;  ///< a sentence for each name that the image does not know
};

/// The same for --chown: a number without a group is its own group (`--chown=10` is 10:10), a name
/// without one brings the user's primary group, "root" needs no entry. A name that the image does
/// not know is root (a group: the user's own), as BuildKit has it: images come to rely on that.
/// source: buildkit solver/llbsolver/ops/user_linux.go, client/llb/fileop.go parseUID
[[nodiscard]] Owner resolve_owner(const os::Dir& root, std::string_view text);

}  // namespace kiln::sandbox
