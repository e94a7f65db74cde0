// Requests, replies, and the table that says who answers what.
//
// The table is filled once at start and only read afterwards. Nothing in here knows HTTP's syntax,
// and handlers know nothing of connections.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "builder/os/fd.h"
#include "builder/os/peer.h"
#include "daemon/log.h"
#include "proto/messages.h"

namespace kiln::daemon {

struct Request {
  std::string method;
  std::string path;                          ///< without the query
  std::string rest;                          ///< what "*" of the route stands for
  std::map<std::string, std::string> query;  ///< decoded
  std::string body;
  std::vector<os::Fd> descriptors;  ///< as passed, in order
  os::Peer peer;
  Log log;

  /// A query parameter that must be there; throws Error{invalid_input} naming it.
  [[nodiscard]] const std::string& parameter(const std::string& name) const;
};

/// An answer in one piece. An empty body is sent as 204 when the status is 200.
struct Reply {
  int status = 200;
  std::string body;  ///< JSON
};

/// What an event stream is made of: emits events, then returns the last one or throws. Cancelled
/// when the client goes away.
using Job = std::move_only_function<boost::asio::awaitable<Finished>(EventSink)>;

/// Answers in one piece; an exception becomes an ErrorReply.
using ReplyHandler = std::function<boost::asio::awaitable<Reply>(Request)>;
/// Checks the request, at once, and gives the job to stream; an exception becomes an ErrorReply.
using StreamHandler = std::function<Job(Request)>;
using Handler = std::variant<ReplyHandler, StreamHandler>;

class Routes {
 public:
  /// `path` is exact, or ends with "/*" for any one further segment.
  void add(std::string method, std::string path, Handler handler);

  /// The handler of request.method and request.path; sets request.rest. Throws Error{not_found}
  /// for a path that nobody answers, Error{invalid_input} for a method that the path does not have.
  [[nodiscard]] const Handler& find(Request& request) const;

 private:
  struct Route {
    std::string method;
    std::string path;
    Handler handler;
  };
  std::vector<Route> routes_;
};

}  // namespace kiln::daemon
