#include "builder/sandbox/capabilities.h"

#include <linux/capability.h>
#include <sys/prctl.h>

#include <array>
#include <string_view>

namespace kiln::sandbox {

namespace {

/// By number. source: linux/capability.h
constexpr std::array<std::string_view, CAP_LAST_CAP + 1> kNames = {
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
};

constexpr std::uint64_t bit(int number) {
  return std::uint64_t{1} << number;
}

constexpr std::uint64_t kDockerDefault =
    bit(CAP_CHOWN) | bit(CAP_DAC_OVERRIDE) | bit(CAP_FSETID) | bit(CAP_FOWNER) | bit(CAP_MKNOD) |
    bit(CAP_NET_RAW) | bit(CAP_SETGID) | bit(CAP_SETUID) | bit(CAP_SETFCAP) | bit(CAP_SETPCAP) |
    bit(CAP_NET_BIND_SERVICE) | bit(CAP_SYS_CHROOT) | bit(CAP_KILL) | bit(CAP_AUDIT_WRITE);
static_assert(kDockerDefault == 0xa80425fb);

}  // namespace

std::uint64_t own_capabilities() {
  std::uint64_t mask = 0;
  for (int number = 0; number <= CAP_LAST_CAP; ++number) {
    if (::prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1) mask |= bit(number);
  }
  return mask;
}

std::vector<std::string> all_capabilities(std::uint64_t allowed) {
  std::vector<std::string> names;
  for (std::size_t number = 0; number < kNames.size(); ++number) {
    if ((allowed & bit(static_cast<int>(number))) != 0) names.emplace_back(kNames[number]);
  }
  return names;
}

std::vector<std::string> default_capabilities(std::uint64_t allowed) {
  return all_capabilities(allowed & kDockerDefault);
}

}  // namespace kiln::sandbox
