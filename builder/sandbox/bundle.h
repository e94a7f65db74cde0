// RunSpec → the configuration of an OCI runtime.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "builder/sandbox/mount_points.h"
#include "builder/sandbox/spec.h"
#include "builder/sandbox/user.h"

namespace kiln::sandbox {

/// The network namespace of a step.
struct NetworkPlace {
  bool shares_host = false;
  std::filesystem::path namespace_path;  ///< "" with !shares_host: a new one with lo alone
};

/// What a step's configuration refers to beside its RunSpec; all of it exists.
struct BundlePlaces {
  User user;
  NetworkPlace network;
  std::filesystem::path hosts;
  std::filesystem::path resolv_conf;
  std::string cgroups_path;       ///< below the root of the hierarchy, begins with "/"
  std::filesystem::path secrets;  ///< directory of secret_file()
  std::string secret_nonce;       ///< for placeholder()
};

/// What is the same for every step of a daemon.
struct BundleOptions {
  std::uint64_t capabilities = 0;      ///< mask of what may be given, see own_capabilities()
  std::optional<std::string> seccomp;  ///< text of linux.seccomp, see translate_seccomp()
  /// The same compiled, see compile_seccomp(), for a runtime that takes it (crun).
  std::optional<std::string> seccomp_program;
  /// The runtime puts a device filter of its own on every cgroup (runc), which must be opened for
  /// an insecure step.
  bool runtime_filters_devices = false;
  int oom_score_adj = 0;
};

/// Writes configurations; the seccomp filter is parsed once. Thread: any.
class BundleFormat {
 public:
  /// Throws Error{invalid_input} for a seccomp text that is not JSON.
  explicit BundleFormat(BundleOptions options);
  BundleFormat(BundleFormat&&) noexcept;
  BundleFormat& operator=(BundleFormat&&) noexcept;
  ~BundleFormat();

  /// The text of config.json, with placeholders for the values of secret_env. Throws
  /// Error{invalid_input}: an unknown ulimit, text that is no UTF-8. source: runtime-spec 1.0.2
  /// config.md, config-linux.md; moby daemon/pkg/oci/defaults.go
  [[nodiscard]] std::string config(const RunSpec& spec, const BundlePlaces& places) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Makes the working directory and every mount point that the root file system lacks, so that the
/// runtime makes none. Throws Error.
void make_mount_points(MountPoints& points, const RunSpec& spec);

/// An absolute path without ".", ".." and doubled slashes, as Docker cleans WORKDIR and mount
/// targets.
[[nodiscard]] std::string absolute_path(std::string_view path);

}  // namespace kiln::sandbox
