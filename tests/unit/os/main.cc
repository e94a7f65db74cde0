// The mount tests need a namespace of their own, which is entered before any thread starts.
#include <gmock/gmock.h>
#include <unistd.h>

#include "builder/os/mount.h"

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  if (::geteuid() == 0) kiln::os::enter_private_mount_namespace();
  return RUN_ALL_TESTS();
}
