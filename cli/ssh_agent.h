// An SSH agent of our own, for keys that are lent to one build.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "cli/fd.h"

namespace kiln::cli {

/// OpenSSH's ssh-agent with some private keys. It ends with this object, and also when this process
/// is killed: it watches a pipe whose other end is ours.
class KeyAgent {
 public:
  /// A key with a passphrase is asked for on the terminal. Throws Error naming the key that cannot
  /// be used, or saying that ssh-agent is not installed.
  [[nodiscard]] static KeyAgent start(const std::vector<std::string>& keys);
  KeyAgent(KeyAgent&& other) noexcept;
  KeyAgent& operator=(KeyAgent&&) = delete;
  ~KeyAgent();

  [[nodiscard]] const std::string& socket() const { return socket_; }

 private:
  KeyAgent() = default;
  void wait_until_it_listens() const;
  void add(const std::string& key) const;

  Fd lifeline_;
  pid_t pid_ = 0;  ///< of the shell that watches
  std::string socket_;
};

}  // namespace kiln::cli
