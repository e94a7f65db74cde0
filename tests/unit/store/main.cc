// Some tests mount a small file system: nothing of it must be seen, or stay, outside.
#include <gmock/gmock.h>
#include <unistd.h>

#include "builder/os/mount.h"

int main(int argc, char** argv) {
  testing::InitGoogleMock(&argc, argv);
  if (::geteuid() == 0) kiln::os::enter_private_mount_namespace();
  return RUN_ALL_TESTS();
}
