#include "tests/unit/sandbox/fixture.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "builder/sandbox/programs.h"
#include "proto/error.h"
#include "tests/support/run_async.h"

namespace kiln::sandbox::test {

namespace fs = std::filesystem;
using kiln::test::run_async;

std::string why_not(const std::string& runtime) {
  if (::geteuid() != 0) return "needs root";
  if (!find_program(runtime)) return "there is no " + runtime;
  if (!fs::exists("/bin/busybox")) return "there is no /bin/busybox";
  return {};
}

void fill_rootfs(const fs::path& rootfs) {
  fs::create_directories(rootfs / "bin");
  fs::create_directories(rootfs / "etc");
  fs::create_directories(rootfs / "tmp");
  fs::permissions(rootfs / "tmp", fs::perms::all);
  fs::copy_file("/bin/busybox", rootfs / "bin/busybox");
  for (const char* name :
       {"sh",       "cat",   "echo",  "id",  "ip",     "ls",     "sleep", "true",  "df",
        "ping",     "grep",  "mknod", "dd",  "head",   "setsid", "pwd",   "mount", "touch",
        "hostname", "mkdir", "rm",    "env", "chroot", "stat",   "seq",   "yes"}) {
    fs::create_symlink("busybox", rootfs / "bin" / name);
  }
  os::write_file(rootfs / "etc/passwd",
                 "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001:App:/home/app:/bin/sh\n");
  os::write_file(rootfs / "etc/group", "root:x:0:\napp:x:1001:\nextra:x:1002:app\n");
}

std::vector<std::string> list_tree(const fs::path& root) {
  std::vector<std::string> result;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string name = entry.path().lexically_relative(root);
    struct stat status{};
    ::lstat(entry.path().c_str(), &status);
    if (S_ISDIR(status.st_mode)) {
      result.push_back("d " + name);
    } else if (S_ISREG(status.st_mode)) {
      result.push_back(fmt::format("f {} {}", name, status.st_size));
    } else {
      result.push_back("? " + name);
    }
  }
  std::ranges::sort(result);
  return result;
}

bool is_running(const std::string& argument) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (!std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; })) continue;
    std::string text;
    try {
      text = os::read_file(entry.path() / "cmdline", 1024 * 1024);
    } catch (const Error&) {
      continue;  // it ended meanwhile
    }
    if (text.contains(argument + '\0')) return true;
  }
  return false;
}

namespace {

bool becomes(const std::string& argument, bool running) {
  for (int tries = 0; tries < 500; ++tries) {
    if (is_running(argument) == running) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace

bool starts_soon(const std::string& argument) {
  return becomes(argument, true);
}

bool ends_soon(const std::string& argument) {
  return becomes(argument, false);
}

RuntimeConfig runtime_config(const fs::path& scratch, const std::string& runtime) {
  RuntimeConfig config;
  config.runtime = runtime;
  config.state_directory = scratch / "state";
  config.supervisor = "/proc/self/exe";
  config.supervisor = fs::read_symlink(config.supervisor);
  config.cgroup_name = "kiln-test-" + scratch.filename().string();
  config.default_network = "host";
  return config;
}

int run_as_daemon(const char* scratch, const char* runtime) {
  boost::asio::thread_pool pool(1);
  const auto daemon = run_async(Runtime::open(runtime_config(scratch, runtime), pool));
  RunSpec spec;
  spec.rootfs = fs::path(scratch) / "lower";
  spec.args = {"/bin/sh", "-c", "setsid sleep 86398 & echo ready; sleep 86397"};
  const auto status = run_async(daemon->run(spec, [](int, std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }));
  return status.code;
}

void RuntimeTest::SetUp() {
  const std::string reason = why_not(GetParam());
  if (!reason.empty()) GTEST_SKIP() << reason;
  scratch_.emplace("/tmp", "kiln-sandbox");
  fill_rootfs(lower());
}

void RuntimeTest::TearDown() {
  if (!scratch_) return;
  runtime_.reset();
  EXPECT_FALSE(fs::exists("/sys/fs/cgroup/kiln-test-" + scratch().filename().string()));
  pool_.join();
}

void RuntimeTest::mount_rootfs() {
  for (const char* name : {"upper", "work", "rootfs"})
    fs::create_directories(scratch() / name);
  mount_ = os::mount_overlay({{lower()}, upper(), scratch() / "work"}, rootfs());
}

void RuntimeTest::open(RuntimeConfig config) {
  runtime_ = run_async(Runtime::open(std::move(config), pool_));
}

Result RuntimeTest::run(RunSpec spec) {
  if (mount_.target().empty()) mount_rootfs();
  if (!runtime_) open(runtime_config(scratch(), GetParam()));
  Result result;
  result.status =
      run_async(runtime_->run(std::move(spec), [&result](int stream, std::string_view text) {
        (stream == 1 ? result.out : result.err) += text;
      }));
  EXPECT_TRUE(fs::is_empty(scratch() / "state/bundles"));
  EXPECT_TRUE(fs::is_empty(scratch() / "state/runtime") ||
              list_tree(scratch() / "state/runtime").front().starts_with("d .cache"));
  return result;
}

RunSpec RuntimeTest::shell(std::string script) const {
  RunSpec spec;
  spec.rootfs = rootfs();
  spec.args = {"/bin/sh", "-c", std::move(script)};
  return spec;
}

}  // namespace kiln::sandbox::test
