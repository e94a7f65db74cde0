// Dockerfile in, image out: the whole pipeline as one call.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <string>

#include "builder/os/fd.h"
#include "builder/os/peer.h"
#include "builder/services.h"
#include "proto/messages.h"

namespace kiln {

/// Who asks, with what they passed.
struct Caller {
  os::Peer peer;                              ///< files of the context are read with its rights
  std::map<std::string, os::Fd> descriptors;  ///< by role (proto/messages.h)
  registry::CredentialsProvider credentials;
  EventSink events;
};

/// Builds `request`; progress goes to caller.events, in order, on the event loop. Returns what was
/// made; throws Error, StepError for a command that failed. Cancelling the coroutine stops the
/// build: steps that another build waits for go on. `caller` must outlive the call.
boost::asio::awaitable<Finished> run_build(BuildRequest request,
                                           Caller& caller,
                                           Services& services);

/// A RUN command ended badly.
class StepError : public Error {
 public:
  StepError(std::string message, int step, int exit_code, std::vector<std::string> log_tail)
      : Error(Errc::step_failed, std::move(message)),
        step_(step),
        exit_code_(exit_code),
        log_tail_(std::move(log_tail)) {}
  [[nodiscard]] int step() const noexcept { return step_; }
  [[nodiscard]] int exit_code() const noexcept { return exit_code_; }
  [[nodiscard]] const std::vector<std::string>& log_tail() const noexcept { return log_tail_; }

 private:
  int step_;
  int exit_code_;
  std::vector<std::string> log_tail_;
};

}  // namespace kiln
