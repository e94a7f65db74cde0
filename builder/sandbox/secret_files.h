// What a step's secrets need on the host: files that are in memory only, and a configuration that
// has their values.
#pragma once

#include <filesystem>
#include <string>

#include "builder/os/mount.h"
#include "builder/sandbox/spec.h"

namespace kiln::sandbox {

/// Whether a step has any.
[[nodiscard]] bool has_secrets(const RunSpec& spec);

/// Mounts memory at the directory, which then holds the step's secrets and all else of its bundle,
/// and writes the file of each secret mount. Throws Error.
[[nodiscard]] os::Mount mount_secret_files(const RunSpec& spec,
                                           const std::filesystem::path& directory);
/// The file of spec.mounts[index].
[[nodiscard]] std::filesystem::path secret_file(const std::filesystem::path& directory,
                                                std::size_t index);

/// What stands for the value of spec.secret_env[index] in a configuration until
/// write_configuration(). `nonce` is a text that nobody outside can know.
[[nodiscard]] std::string placeholder(const std::string& nonce, std::size_t index);
/// Writes a configuration with the values in place of their placeholders; what they passed through
/// is wiped. Throws Error{invalid_input} for a value that no environment can have.
void write_configuration(const std::filesystem::path& path,
                         const std::string& config,
                         const RunSpec& spec,
                         const std::string& nonce);

}  // namespace kiln::sandbox
