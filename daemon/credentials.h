// Asking the client of a stream for a registry's credentials: the question is an event, the answer
// a request on another connection that names the question's ticket.
//
// A ticket is 128 random bits, for one answer, from the same user, and dies with the question.
// Credentials are handed on and kept nowhere. Thread: the event loop's.
#pragma once

#include <sys/types.h>

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "builder/os/task_group.h"
#include "proto/messages.h"

namespace kiln::daemon {

class Tickets {
 public:
  /// `timeout`: how long a client's credential helper may take.
  explicit Tickets(std::chrono::seconds timeout = std::chrono::seconds{60}) : timeout_(timeout) {}

  /// Emits CredentialsNeeded and waits. nullopt: the client has none. Throws Error{denied} when no
  /// answer comes in time.
  boost::asio::awaitable<std::optional<Credentials>> ask(uid_t uid,
                                                         std::string registry,
                                                         EventSink events);

  /// Answers a question. Throws Error{not_found} for a ticket that doesn't exist, was answered, or
  /// is another user's.
  void answer(std::string_view ticket, uid_t uid, Credentials credentials);

 private:
  struct Question {
    uid_t uid;
    os::Event answered;
    std::optional<Credentials> credentials;
  };
  std::chrono::seconds timeout_;
  std::map<std::string, Question*, std::less<>> open_;
};

}  // namespace kiln::daemon
