// What to run, and where: everything a command can see, as values.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "builder/os/fd.h"
#include "builder/os/secret.h"

namespace kiln::sandbox {

enum class Network { standard, host, none };

struct BindMount {
  std::filesystem::path source;  ///< on the host
  std::string target;            ///< absolute, inside
  bool writable = false;
};
struct TmpfsMount {
  std::string target;
  std::uint64_t size_bytes = 0;  ///< 0 is unlimited
  bool read_only = false;
};
/// A read-only file that is in memory alone. Modes without an x also keep it from being executed.
struct SecretMount {
  std::shared_ptr<const os::Secret> value;
  std::string target;
  std::uint32_t mode = 0400;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};
using Mount = std::variant<BindMount, TmpfsMount, SecretMount>;

/// Takes the place of a variable of the same name in RunSpec::env.
struct SecretVariable {
  std::string name;
  std::shared_ptr<const os::Secret> value;
};

/// What a command of a client's has instead of /dev/null and pipes of ours: three pipes of the
/// client's, or a terminal that is handed to it.
struct Attachment {
  os::Fd in;
  os::Fd out;
  os::Fd err;
  os::Fd terminal;  ///< a connected socket, which gets the master (console.h); then no pipes
  std::uint16_t columns = 0;
  std::uint16_t rows = 0;
};

struct Ulimit {
  std::string name;  ///< "nofile"
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};

struct RunSpec {
  std::filesystem::path rootfs;  ///< mounted and writable
  std::vector<std::string> args;
  std::vector<std::string> env;            ///< NAME=value
  std::vector<SecretVariable> secret_env;  ///< each name once
  std::string working_dir = "/";
  std::string user;  ///< "name|uid[:group|gid]", resolved in the root file system; "" is root
  Network network = Network::standard;
  bool insecure = false;  ///< all capabilities, no seccomp, nothing masked
  std::string hostname = "buildkitsandbox";
  std::vector<std::string> add_hosts;  ///< "name:address"
  std::vector<Mount> mounts;
  std::vector<Ulimit> ulimits;
  std::int64_t shm_size_bytes = 64LL * 1024 * 1024;
  std::shared_ptr<const Attachment>
      attachment{};  ///< nullptr: nothing on stdin, output is streamed
};

}  // namespace kiln::sandbox
