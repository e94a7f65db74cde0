#include "builder/sandbox/device_filter.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <vector>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::sandbox {

namespace {

using Program = std::vector<bpf_insn>;

enum Register : std::uint8_t { r0, r1, r2, r3, r4, r5 };

bpf_insn instruction(unsigned code, Register to, Register from, int offset, int value) {
  bpf_insn result{};
  result.code = static_cast<__u8>(code);
  result.dst_reg = to & 0xf;
  result.src_reg = from & 0xf;
  result.off = static_cast<__s16>(offset);
  result.imm = value;
  return result;
}

void load(Program& program, Register to, std::size_t offset) {
  program.push_back(instruction(BPF_LDX | BPF_W | BPF_MEM, to, r1, static_cast<int>(offset), 0));
}

void jump_unless_equal(Program& program, Register left, int right, int over) {
  program.push_back(instruction(BPF_JMP | BPF_JNE | BPF_K, left, r0, over, right));
}

void return_value(Program& program, int value) {
  program.push_back(instruction(BPF_ALU64 | BPF_MOV | BPF_K, r0, r0, 0, value));
  program.push_back(instruction(BPF_JMP | BPF_EXIT, r0, r0, 0, 0));
}

/// Each "return 1" is two instructions, which the test in front of it jumps over.
constexpr int kReturnSize = 2;

void allow_character_device(Program& program, int major, std::initializer_list<int> minors) {
  const auto count = static_cast<int>(minors.size());
  const int body = count == 0 ? kReturnSize : count * (1 + kReturnSize);
  jump_unless_equal(program, r4, major, body);
  if (count == 0) return_value(program, 1);
  for (const int minor : minors) {
    jump_unless_equal(program, r5, minor, kReturnSize);
    return_value(program, 1);
  }
}

/// source: struct bpf_cgroup_dev_ctx: access_type is (access << 16) | type
Program docker_devices() {
  Program program;
  load(program, r2, offsetof(bpf_cgroup_dev_ctx, access_type));
  load(program, r4, offsetof(bpf_cgroup_dev_ctx, major));
  load(program, r5, offsetof(bpf_cgroup_dev_ctx, minor));
  program.push_back(instruction(BPF_ALU64 | BPF_MOV | BPF_X, r3, r2, 0, 0));
  program.push_back(instruction(BPF_ALU64 | BPF_RSH | BPF_K, r3, r0, 0, 16));
  jump_unless_equal(program, r3, BPF_DEVCG_ACC_MKNOD, kReturnSize);
  return_value(program, 1);
  program.push_back(instruction(BPF_ALU64 | BPF_AND | BPF_K, r2, r0, 0, 0xffff));
  program.push_back(
      instruction(BPF_JMP | BPF_JEQ | BPF_K, r2, r0, kReturnSize, BPF_DEVCG_DEV_CHAR));
  return_value(program, 0);
  // source: runc libcontainer/specconv AllowedDevices; Documentation/admin-guide/devices.txt
  allow_character_device(program, 1, {3, 5, 7, 8, 9});
  allow_character_device(program, 5, {0, 1, 2});
  allow_character_device(program, 136, {});
  return_value(program, 0);
  return program;
}

long call_bpf(int command, bpf_attr& attributes) {
  return ::syscall(SYS_bpf, command, &attributes, sizeof attributes);
}

}  // namespace

DeviceFilter::DeviceFilter() {
  static constexpr char kLicense[] = "Apache-2.0";
  const Program program = docker_devices();
  bpf_attr attributes{};
  attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attributes.insn_cnt = static_cast<__u32>(program.size());
  attributes.insns = reinterpret_cast<std::uintptr_t>(program.data());
  attributes.license = reinterpret_cast<std::uintptr_t>(kLicense);
  std::memcpy(attributes.prog_name, "kiln_devices", sizeof "kiln_devices");
  program_ = os::Fd(static_cast<int>(call_bpf(BPF_PROG_LOAD, attributes)));
  if (!program_) throw system_error(errno, "load the device filter");
}

void DeviceFilter::attach(const std::filesystem::path& cgroup) const {
  const os::Fd directory = os::open_file(cgroup, O_RDONLY | O_DIRECTORY);
  bpf_attr attributes{};
  attributes.target_fd = static_cast<__u32>(directory.get());
  attributes.attach_bpf_fd = static_cast<__u32>(program_.get());
  attributes.attach_type = BPF_CGROUP_DEVICE;
  // runc attaches one of its own below ours: both must allow.
  attributes.attach_flags = BPF_F_ALLOW_MULTI;
  if (call_bpf(BPF_PROG_ATTACH, attributes) != 0)
    throw system_error(errno, "attach the device filter to " + cgroup.string());
}

}  // namespace kiln::sandbox
