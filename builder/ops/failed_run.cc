#include "builder/ops/failed_run.h"

#include <fcntl.h>

#include <algorithm>
#include <array>

#include "builder/ops/exec.h"
#include "builder/ops/exec_mounts.h"
#include "builder/ops/exec_secrets.h"
#include "builder/ops/new_layer.h"
#include "builder/os/dir.h"
#include "builder/os/offload.h"

namespace kiln::ops {

namespace asio = boost::asio;
namespace fs = std::filesystem;

namespace {

constexpr std::array<std::string_view, 7> kShells{"sh",  "bash", "ash", "dash",
                                                  "zsh", "ksh",  "fish"};

bool has_program(const fs::path& root, const std::string& path) {
  return os::Dir::open(root).try_open_at(path, O_PATH, os::Links::in_root).has_value();
}

/// The shell that ran the step, as SHELL has it, where it was one.
std::string shell_of(const graph::ExecOp& op, const fs::path& root) {
  constexpr const char* kDefault = "/bin/sh";
  if (op.args.size() >= 2 && op.args[0].starts_with('/') && op.args[1].starts_with('-')) {
    const std::string name = fs::path(op.args[0]).filename();
    if (std::ranges::find(kShells, name) != kShells.end() && has_program(root, op.args[0]))
      return op.args[0];
  }
  if (has_program(root, kDefault)) return kDefault;
  throw Error(Errc::not_found,
              "the step's file system has no {}; run a program that it has: kiln debug BUILD -- "
              "PROGRAM",
              kDefault);
}

/// What is not lent again is left out.
graph::ExecOp with_optional_secrets(graph::ExecOp op) {
  for (graph::ExecMount& mount : op.mounts) {
    if (auto* secret = std::get_if<graph::SecretMount>(&mount)) secret->required = false;
    if (auto* ssh = std::get_if<graph::SshMount>(&mount)) ssh->required = false;
  }
  return op;
}

bool has_variable(const std::vector<std::string>& env, std::string_view prefix) {
  return std::ranges::any_of(env, [&](const std::string& one) { return one.starts_with(prefix); });
}

}  // namespace

std::vector<std::string> missing_secrets(const graph::ExecOp& op, const ClientSecrets& secrets) {
  std::vector<std::string> missing;
  for (const graph::ExecMount& mount : op.mounts) {
    const auto* secret = std::get_if<graph::SecretMount>(&mount);
    if (secret && !secrets.secret(secret->id)) {
      missing.push_back(
          fmt::format("the step's secret {} is not there: pass it again with --secret id={}",
                      secret->id, secret->id));
    }
    const auto* ssh = std::get_if<graph::SshMount>(&mount);
    if (ssh && !secrets.agent(ssh->id)) {
      missing.push_back(fmt::format(
          "the step's SSH agent {} is not there: pass it again with --ssh {}", ssh->id, ssh->id));
    }
  }
  return missing;
}

asio::awaitable<os::ExitStatus> run_in_failed_step(std::shared_ptr<const FailedStep> step,
                                                   FailedRun run,
                                                   ClientSecrets secrets,
                                                   registry::CredentialsProvider credentials,
                                                   solver::Listener listener,
                                                   Workshop& workshop) {
  const graph::ExecOp op = with_optional_secrets(step->op);
  LentToStep lent = co_await lend_to_step(op, std::move(secrets), listener, workshop);
  std::vector<FileInput> inputs;
  for (const solver::Stack& stack : step->inputs)
    inputs.push_back({nullptr, stack});
  auto lowers = co_await workshop.layers.unpacked(inputs.at(0).stack, credentials, listener);
  lowers.push_back(step->upper());
  auto mount = [&] { return open_workspace(workshop, "debug", lowers); };
  const auto workspace = co_await os::offload(workshop.pool, mount);
  ExecMounts mounts =
      co_await prepare_mounts(op, inputs, credentials, listener, workshop, step.get());
  sandbox::RunSpec spec = to_spec(op, workspace->root());
  spec.mounts = mounts.mounts;
  spec.mounts.insert(spec.mounts.end(), lent.mounts.begin(), lent.mounts.end());
  spec.secret_env = std::move(lent.variables);
  spec.args = std::move(run.args);
  if (spec.args.empty()) {
    auto look = [&] { return shell_of(op, workspace->root()); };
    spec.args = {co_await os::offload(workshop.pool, look)};
  }
  const bool has_terminal = run.attachment && run.attachment->terminal;
  if (has_terminal && !run.term.empty() && !has_variable(spec.env, "TERM="))
    spec.env.push_back("TERM=" + run.term);
  spec.attachment = std::move(run.attachment);
  co_return co_await workshop.runtime.run(
      std::move(spec),
      [listener](int stream, std::string_view text) { listener->log(stream, text); });
}

}  // namespace kiln::ops
