#include "builder/sandbox/secret_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "builder/os/file.h"
#include "proto/error.h"

namespace kiln::sandbox {

namespace {

/// For the configuration, the runtime's log, and what a command writes into its /etc/hosts.
constexpr std::uint64_t kBundleBytes = 64ULL * 1024 * 1024;
/// JSON's longest form of a byte: "\u00ff".
constexpr std::size_t kMaxEscapedBytes = 6;

std::uint64_t page_rounded(std::size_t bytes) {
  constexpr std::uint64_t kPage = 64 * 1024;  // the largest that Linux has
  return (bytes + kPage - 1) / kPage * kPage;
}

void write_secret(const SecretMount& mount, const std::filesystem::path& path) {
  const os::Fd file = os::open_file(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
  os::write_all(file.get(), as_bytes(mount.value->view()), path.native());
  // The owner first: changing it takes bits of the mode away.
  if (::fchown(file.get(), mount.uid, mount.gid) != 0 ||
      ::fchmod(file.get(), mount.mode & 0777) != 0) {
    throw system_error(errno, "give the secret " + mount.target + " its owner and mode");
  }
}

/// The size of the UTF-8 character that `text` begins with, 0 for what is none.
std::size_t character_size(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const std::size_t size = first < 0x80   ? 1
                           : first < 0xc2 ? 0
                           : first < 0xe0 ? 2
                           : first < 0xf0 ? 3
                           : first < 0xf5 ? 4
                                          : 0;
  if (size == 0 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  // Longer than need be, a surrogate, or beyond U+10FFFF. source: RFC 3629, section 4
  const bool bad =
      size > 2 && ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
                   (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f));
  return bad ? 0 : size;
}

/// Appends as the inside of a JSON string, without allocating. A byte that is no UTF-8 becomes
/// U+FFFD, as BuildKit has it (Go's encoding/json).
void append_escaped(std::string& text, std::string_view value) {
  while (!value.empty()) {
    const std::size_t size = character_size(value);
    const char c = value.front();
    if (size == 0) {
      text += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      constexpr std::string_view kDigits = "0123456789abcdef";
      text += "\\u00";
      text += c < 0x10 ? '0' : '1';
      text += kDigits[static_cast<unsigned char>(c) & 0xfU];
    } else {
      text += value.substr(0, size);
    }
    value.remove_prefix(std::max<std::size_t>(size, 1));
  }
}

}  // namespace

bool has_secrets(const RunSpec& spec) {
  return !spec.secret_env.empty() || std::ranges::any_of(spec.mounts, [](const Mount& one) {
    return std::holds_alternative<SecretMount>(one);
  });
}

os::Mount mount_secret_files(const RunSpec& spec, const std::filesystem::path& directory) {
  std::uint64_t bytes = kBundleBytes;
  for (const Mount& one : spec.mounts) {
    if (const auto* secret = std::get_if<SecretMount>(&one))
      bytes += page_rounded(secret->value->view().size());
  }
  os::Mount memory = os::mount_memory(directory, bytes);
  for (std::size_t i = 0; i < spec.mounts.size(); ++i) {
    if (const auto* secret = std::get_if<SecretMount>(&spec.mounts[i]))
      write_secret(*secret, secret_file(directory, i));
  }
  return memory;
}

std::filesystem::path secret_file(const std::filesystem::path& directory, std::size_t index) {
  return directory / fmt::format("secret.{}", index);
}

std::string placeholder(const std::string& nonce, std::size_t index) {
  return fmt::format("{}.{};", nonce, index);
}

void write_configuration(const std::filesystem::path& path,
                         const std::string& config,
                         const RunSpec& spec,
                         const std::string& nonce) {
  std::size_t bytes = config.size();
  for (const SecretVariable& variable : spec.secret_env)
    bytes += kMaxEscapedBytes * variable.value->view().size();
  std::string text;
  text.reserve(bytes);  // grown, it would leave copies behind
  std::string_view rest = config;
  for (std::size_t i = 0; i < spec.secret_env.size(); ++i) {
    const SecretVariable& variable = spec.secret_env[i];
    const std::string_view value = variable.value->view();
    if (value.contains('\0')) {
      os::wipe(text);
      throw Error(Errc::invalid_input,
                  "the secret for the variable {} has a zero byte, which no environment can have; "
                  "mount it as a file",
                  variable.name);
    }
    const std::string mark = placeholder(nonce, i);
    const std::size_t at = rest.find(mark);
    check(at != std::string_view::npos, "a configuration has each secret variable, in order");
    text += rest.substr(0, at);
    append_escaped(text, value);
    rest.remove_prefix(at + mark.size());
  }
  text += rest;
  try {
    os::write_file(path, text);
  } catch (...) {
    os::wipe(text);
    throw;
  }
  os::wipe(text);
}

}  // namespace kiln::sandbox
