#include "daemon/credentials.h"

#include <sys/random.h>

#include <array>
#include <boost/asio/this_coro.hpp>
#include <cerrno>
#include <memory>

#include "daemon/deadline.h"
#include "proto/error.h"

namespace kiln::daemon {

namespace {

std::string new_ticket() {
  std::array<unsigned char, 16> bits{};
  if (::getrandom(bits.data(), bits.size(), 0) != static_cast<ssize_t>(bits.size())) {
    throw system_error(errno, "read random bits");
  }
  std::string ticket;
  for (const unsigned char byte : bits)
    ticket += fmt::format("{:02x}", byte);
  return ticket;
}

}  // namespace

boost::asio::awaitable<std::optional<Credentials>> Tickets::ask(uid_t uid,
                                                                std::string registry,
                                                                EventSink events) {
  const auto executor = co_await boost::asio::this_coro::executor;
  Question question{uid, os::Event(executor), std::nullopt};
  const auto place = open_.emplace(new_ticket(), &question).first;
  const std::string ticket = place->first;
  const auto close = [this, &ticket](Question*) noexcept { open_.erase(ticket); };
  const std::unique_ptr<Question, decltype(close)> closed_at_end(&question, close);

  events(CredentialsNeeded{ticket, registry});
  const Deadline deadline(executor, timeout_, [&question] { question.answered.set(); });
  co_await question.answered.wait();
  if (!question.credentials) {
    throw Error(Errc::denied, "{}: the client did not answer the question for credentials in {} s",
                registry, timeout_.count());
  }
  const Credentials& given = *question.credentials;
  if (given.username.empty() && given.password.empty() && given.identity_token.empty()) {
    co_return std::nullopt;
  }
  co_return std::move(question.credentials);
}

void Tickets::answer(std::string_view ticket, uid_t uid, Credentials credentials) {
  const auto found = open_.find(ticket);
  if (found == open_.end() || found->second->uid != uid) {
    throw Error(Errc::not_found, "nobody asks for these credentials (any more)");
  }
  found->second->credentials = std::move(credentials);
  found->second->answered.set();
  open_.erase(found);
}

}  // namespace kiln::daemon
