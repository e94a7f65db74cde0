// RUN: a command with what it may see.
#include <algorithm>

#include "builder/dockerfile/heredoc.h"
#include "builder/dockerfile/lower_mounts.h"
#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/stage_builder.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

/// source: docs.docker.com "Dockerfile reference: Predefined ARGs"; BuildKit's order.
constexpr std::string_view kProxies[] = {"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY",
                                         "ALL_PROXY"};
constexpr std::string_view kPipes = "/dev/pipes";

/// Proxies given as build arguments, in both cases of their names.
std::vector<std::string> proxy_environment(const LowerOptions& options) {
  std::vector<std::string> result;
  for (const std::string_view name : kProxies) {
    const std::string* value = nullptr;
    for (const auto& [given, text] : options.build_args) {
      if (equal_fold(given, name)) value = &text;
    }
    if (!value) continue;
    result.push_back(std::string(name) + "=" + *value);
    result.push_back(lower(name) + "=" + *value);
  }
  return result;
}

/// Throws Mistake when the request does not have the entitlement that `flag` needs.
void need_entitlement(const StageBuilder& builder, const Flag& flag, const std::string& name) {
  const std::vector<std::string>& allowed = builder.options().allow;
  if (std::ranges::find(allowed, name) != allowed.end()) return;
  throw Mistake(fmt::format("RUN --{}={} is not allowed", flag.name, *flag.value),
                fmt::format("pass --allow {} to the build", name))
      .at(flag.offset);
}

graph::Network network_of(const StageBuilder& builder) {
  const Flag* flag = builder.instruction().flag("network");
  if (!flag || flag->value == "default") return builder.options().network;
  if (flag->value == "none") return graph::Network::none;
  need_entitlement(builder, *flag, "network.host");
  return graph::Network::host;
}

bool is_insecure(const StageBuilder& builder) {
  const Flag* flag = builder.instruction().flag("security");
  if (!flag || flag->value != "insecure") return false;
  need_entitlement(builder, *flag, "security.insecure");
  return true;
}

/// "RUN |2 A=1 B= /bin/sh -c make": the arguments that the command could see come first.
std::string created_by(const StageState& state, const std::vector<std::string>& args) {
  std::vector<std::string> words = {"RUN"};
  std::vector<std::pair<std::string, std::string>> seen;  // one of a name, where it came first
  for (const auto& [name, declared] : state.arguments) {
    const std::string* value = state.environment.find(name);
    const auto same = std::ranges::find(seen, name, &std::pair<std::string, std::string>::first);
    auto& entry = same == seen.end() ? seen.emplace_back(name, "") : *same;
    entry.second = value ? *value : declared;
  }
  if (!seen.empty()) words.push_back(fmt::format("|{}", seen.size()));
  for (const auto& [name, value] : seen)
    words.push_back(name + "=" + value);
  words.insert(words.end(), args.begin(), args.end());
  return join(words, " ") + " # buildkit";
}

/// "first line..." of a here-document, for the step's name.
std::string summary(const Heredoc& heredoc) {
  const std::string_view text = trim(heredoc.content);
  std::string_view first = text.substr(0, text.find('\n'));
  if (first.ends_with('\r')) first.remove_suffix(1);
  return fmt::format(" ({}{})", first, text.find('\n') == std::string_view::npos ? "" : "...");
}

struct Prepared {
  std::vector<std::string> args;
  std::string name_suffix;
  std::optional<graph::VertexId> script;  ///< holds the file to execute
};

/// source: BuildKit: one here-document alone is the script itself, with "#!" a file that is
/// executed; otherwise the shell gets the whole text and reads the documents itself.
Prepared prepare(StageBuilder& builder, const CommandLine& command) {
  std::string text = command.words.empty() ? "" : command.words[0];
  if (command.heredocs.empty()) return {builder.with_shell(command, text), "", std::nullopt};
  const Heredoc& first = command.heredocs[0];
  if (!heredoc_of_word(text)) {
    for (const Heredoc& heredoc : command.heredocs)
      text += "\n" + heredoc.content + heredoc.name;
    return {builder.with_shell(command, text), "", std::nullopt};
  }
  const std::string body = body_of(first);
  if (!body.starts_with("#!") || builder.stage().platform.os == "windows") {
    return {builder.with_shell(command, body), summary(first), std::nullopt};
  }
  graph::FileOp file;
  file.actions.emplace_back(graph::MkfileAction{"/" + first.name, body, 0755, {}, ""});
  file.made_time = builder.made_time();
  const graph::VertexId script =
      builder.add_helper(std::move(file), "[internal] preparing inline document");
  return {builder.with_shell(command, fmt::format("{}/{}", kPipes, first.name)), summary(first),
          script};
}

}  // namespace

void lower_run(StageBuilder& builder, const Run& run) {
  const LowerOptions& options = builder.options();
  StageState& state = builder.state();
  graph::ExecOp op;
  op.network = network_of(builder);
  op.insecure = is_insecure(builder);
  Prepared prepared = prepare(builder, run.command);
  std::vector<graph::VertexId> inputs;
  if (prepared.script) {
    inputs.push_back(*prepared.script);
    op.mounts.emplace_back(graph::BindMount{1, "/", std::string(kPipes), false});
  }
  op.args = prepared.args;
  op.env = state.environment.assignments();
  lower_mounts(builder, run, op, inputs);
  op.working_dir = clean_path("/" + state.image.config.working_dir);
  op.user = state.image.config.user;
  const auto hostname = options.build_args.find("BUILDKIT_SANDBOX_HOSTNAME");
  if (hostname != options.build_args.end()) op.hostname = hostname->second;
  op.proxy_env = proxy_environment(options);
  op.add_hosts = options.add_hosts;
  op.ulimits = options.ulimits;
  op.shm_size_bytes = options.shm_size_bytes;
  std::string name = builder.step_name(
      {.escape = builder.context().ast.escape, .keep_quotes = true, .keep_unset = true},
      prepared.name_suffix, shown_variables(op, state.environment));
  builder.add_step(std::move(op), std::move(inputs), std::move(name));
  builder.add_layer_history(created_by(state, prepared.args));
}

}  // namespace kiln::dockerfile
