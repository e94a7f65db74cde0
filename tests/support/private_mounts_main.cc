// The main of test programs that mount: in a mount namespace of their own, before any thread
// starts.
#include <gtest/gtest.h>
#include <unistd.h>

#include "builder/os/mount.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (::geteuid() == 0) kiln::os::enter_private_mount_namespace();
  return RUN_ALL_TESTS();
}
