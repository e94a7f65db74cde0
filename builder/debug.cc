#include "builder/debug.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>

#include "builder/ops/failed_run.h"
#include "builder/os/offload.h"
#include "builder/services_parts.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

/// What is said besides the command's own output.
class DebugListener final : public solver::StepListener {
 public:
  explicit DebugListener(EventSink events) : events_(std::move(events)) {}
  void log(int /*stream*/, std::string_view text) override {
    while (text.ends_with('\n'))
      text.remove_suffix(1);
    events_(Warning{std::string(text)});
  }
  void progress(std::string_view /*item*/, std::uint64_t /*now*/, std::uint64_t /*all*/) override {}

 private:
  EventSink events_;
};

/// Another kind of file could lead out of the container (a directory), or let what runs there type
/// into the user's terminal (TIOCSTI).
os::Fd take(Caller& caller, std::string_view role, mode_t type, std::string_view what) {
  const auto found = caller.descriptors.find(std::string(role));
  if (found == caller.descriptors.end())
    throw Error(Errc::invalid_input, "the request has no descriptor \"{}\"", role);
  struct stat status{};
  if (::fstat(found->second.get(), &status) != 0)
    throw system_error(errno, fmt::format("stat the descriptor {}", role));
  if ((status.st_mode & S_IFMT) != type)
    throw Error(Errc::invalid_input, "the descriptor \"{}\" is not a {}", role, what);
  return std::move(found->second);
}

std::shared_ptr<const sandbox::Attachment> take_attachment(const DebugRequest& request,
                                                           Caller& caller) {
  auto attachment = std::make_shared<sandbox::Attachment>();
  if (caller.descriptors.contains(std::string(role::kTerminal))) {
    attachment->terminal = take(caller, role::kTerminal, S_IFSOCK, "socket");
    attachment->columns = request.columns;
    attachment->rows = request.rows;
  } else {
    attachment->in = take(caller, role::kStdin, S_IFIFO, "pipe");
    attachment->out = take(caller, role::kStdout, S_IFIFO, "pipe");
    attachment->err = take(caller, role::kStderr, S_IFIFO, "pipe");
  }
  return attachment;
}

}  // namespace

asio::awaitable<Finished> debug_build(DebugRequest request, Caller& caller, Services& services) {
  Services::Parts& parts = services.parts();
  const store::Lease lease(parts.leases);  // pruning spares what this finds or writes
  const ops::FailedSteps::Entry entry = parts.failed_steps.find(request.build, caller.peer.uid);
  ops::FailedRun run;
  run.args = std::move(request.command);
  run.term = std::move(request.term);
  run.attachment = take_attachment(request, caller);
  auto read = [&] { return ops::ClientSecrets::take(caller.descriptors, caller.peer); };
  ops::ClientSecrets secrets = co_await os::offload(parts.pool, read);
  caller.events(StepStarted{
      1, fmt::format("build {}: {} (exit code {})", entry.build_id, entry.step, entry.exit_code)});
  for (std::string& missing : ops::missing_secrets(entry.kept->op, secrets))
    caller.events(Warning{std::move(missing)});
  const auto listener = std::make_shared<DebugListener>(caller.events);
  const os::ExitStatus status =
      co_await ops::run_in_failed_step(entry.kept, std::move(run), std::move(secrets),
                                       caller.credentials, listener, *parts.workshop);
  Finished finished;
  finished.build_id = entry.build_id;
  finished.metadata[kExitCodeKey] =
      std::to_string(status.signal != 0 ? 128 + status.signal : status.code);
  co_return finished;
}

}  // namespace kiln
