// What is typed and shown while a command runs in a failed step: this process moves the bytes
// between the user's descriptors and the command's.
//
// With a terminal the command gets one of its own, inside its container, whose master comes to us;
// the user's is in raw mode meanwhile. Without, it gets pipes of ours: never the user's own
// descriptors, which could lead out of the container.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/client.h"
#include "cli/fd.h"
#include "cli/terminal.h"
#include "proto/debug_messages.h"

namespace kiln::cli {

/// Moves bytes one way; both descriptors stay others'.
class Pump {
 public:
  Pump() = default;
  Pump(int from, int to) : from_(from), to_(to) {}

  [[nodiscard]] bool ended() const { return from_ < 0; }
  [[nodiscard]] pollfd want() const;
  /// Reads or writes once.
  void serve(short ready);

 private:
  void read_some();
  void write_some();

  int from_ = -1;  ///< -1 at the end
  int to_ = -1;
  std::string rest_;
};

class DebugSession final : public Companion {
 public:
  /// With a terminal or with pipes.
  explicit DebugSession(bool terminal);
  DebugSession(const DebugSession&) = delete;
  DebugSession& operator=(const DebugSession&) = delete;
  ~DebugSession() override;

  /// Adds to the request, and to `descriptors`, what the command is to have; not owned by them.
  void lend(DebugRequest& request, std::vector<int>& descriptors) const;
  void want(std::vector<pollfd>& waiting) override;
  void serve(std::span<const pollfd> ready) override;
  /// After the command's end: shows what it wrote last.
  void drain();

 private:
  void receive_master();

  bool terminal_;
  std::vector<Fd> lent_;  ///< the command's ends; ours no more once they were sent
  Fd socket_;             ///< where the master comes
  Fd master_;
  Fd in_;
  Fd out_;
  Fd err_;
  Pump input_;
  std::vector<Pump> outputs_;
  std::optional<RawMode> raw_;
  std::optional<SizeChanges> sizes_;
};

}  // namespace kiln::cli
