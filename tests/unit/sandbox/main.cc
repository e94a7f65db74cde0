// The test program is also the supervisor of the runtimes it opens, and a daemon that can be
// killed.
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string_view>

#include "builder/os/mount.h"
#include "builder/sandbox/runtime.h"
#include "tests/unit/sandbox/fixture.h"

int main(int argc, char** argv) {
  const std::string_view verb = argc > 1 ? argv[1] : "";
  if (verb == "supervise") return kiln::sandbox::supervise(argc, argv);
  try {
    if (::geteuid() == 0) {
      kiln::os::enter_private_mount_namespace();
      kiln::os::unify_cgroup_layout();
    }
    if (verb == "daemon") return kiln::sandbox::test::run_as_daemon(argv[2], argv[3]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  ::testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
