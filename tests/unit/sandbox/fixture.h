// A busybox root file system on an overlay, and a runtime to run commands in it.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio/thread_pool.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "builder/os/file.h"
#include "builder/os/mount.h"
#include "builder/sandbox/runtime.h"

namespace kiln::sandbox::test {

struct Result {
  os::ExitStatus status;
  std::string out;
  std::string err;
};

/// Why nothing can be run here, or "".
std::string why_not(const std::string& runtime);

/// Puts busybox and its links, /etc/passwd and /etc/group into a directory.
void fill_rootfs(const std::filesystem::path& rootfs);

/// "d etc", "f etc/hosts 12": everything below a directory, sorted.
std::vector<std::string> list_tree(const std::filesystem::path& root);

/// Whether a process with this argument exists.
bool is_running(const std::string& argument);
/// The same, given a few seconds to become so.
bool starts_soon(const std::string& argument);
bool ends_soon(const std::string& argument);

RuntimeConfig runtime_config(const std::filesystem::path& scratch, const std::string& runtime);

/// Opens a runtime in `scratch` and runs what prints "ready" and then stays. Never returns but by a
/// failure.
int run_as_daemon(const char* scratch, const char* runtime);

/// A runtime of its own for each test. The parameter is the runtime's name.
class RuntimeTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override;
  void TearDown() override;

  void open(RuntimeConfig config);
  Result run(RunSpec spec);
  /// A step that runs a shell script in the root file system.
  RunSpec shell(std::string script) const;

  [[nodiscard]] std::filesystem::path scratch() const { return scratch_->path(); }
  [[nodiscard]] std::filesystem::path lower() const { return scratch() / "lower"; }
  [[nodiscard]] std::filesystem::path upper() const { return scratch() / "upper"; }
  [[nodiscard]] std::filesystem::path rootfs() const { return scratch() / "rootfs"; }
  /// Mounts the overlay; what a test wants in the image it puts into lower() before.
  void mount_rootfs();

  std::optional<os::TempDir> scratch_;
  os::Mount mount_;
  boost::asio::thread_pool pool_{2};
  std::unique_ptr<Runtime> runtime_;
};

}  // namespace kiln::sandbox::test
