// The instructions that only change the image's configuration, and WORKDIR.
#include <algorithm>

#include "builder/dockerfile/go_text.h"
#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/ports.h"
#include "builder/dockerfile/signals.h"
#include "builder/dockerfile/stage_builder.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

oci::ContainerConfig& config_of(StageBuilder& builder) {
  return builder.state().image.config;
}

/// Sorted, each once.
void add_sorted(std::vector<std::string>& list, const std::string& value) {
  const auto place = std::ranges::lower_bound(list, value);
  if (place == list.end() || *place != value) list.insert(place, value);
}

/// MultipleInstructionsDisallowed is about the one that is overridden.
void note_last(StageBuilder& builder, const Instruction*& last) {
  if (last) {
    builder.context().linter.warn(
        "MultipleInstructionsDisallowed", *last,
        fmt::format("Multiple {} instructions should not be used in the same stage because only "
                    "the last one will be used",
                    builder.instruction().keyword),
        0);
  }
  last = builder.step().is_trigger ? builder.stage().instruction : &builder.instruction();
}

std::vector<std::string> command_words(StageBuilder& builder, const CommandLine& command) {
  const auto& shell = config_of(builder).shell;
  if (!command.exec_form && (!shell || shell->empty())) {
    builder.warn("JSONArgsRecommended",
                 fmt::format("JSON arguments recommended for {} to prevent unintended behavior "
                             "related to OS signals",
                             builder.instruction().keyword),
                 0);
  }
  return builder.with_shell(command, command.words.empty() ? "" : command.words[0]);
}

}  // namespace

void lower_workdir(StageBuilder& builder, const Workdir& workdir) {
  StageState& state = builder.state();
  const std::string path = builder.expand_word(workdir.path);
  if (!state.has_workdir && !path.starts_with('/')) {
    builder.warn("WorkdirRelativePath",
                 fmt::format("Relative workdir \"{}\" can have unexpected results if the base "
                             "image changes",
                             path),
                 workdir.path.offset);
  }
  state.has_workdir = true;
  // An absolute path is kept as it was written, a relative one is joined.
  std::string& directory = state.image.config.working_dir;
  if (path.starts_with('/')) {
    directory = path;
  } else if (path.empty() && directory.starts_with('/')) {
    // The variables of the word were empty: it stays where it is.
  } else {
    directory = clean_path("/" + directory + "/" + path);
  }
  const std::string clean = clean_path(directory);
  if (clean == "/") {
    builder.add_history("WORKDIR " + directory);
    return;
  }
  graph::MkdirAction action{clean, 0755, {}};
  if (!state.image.config.user.empty()) action.owner = state.image.config.user;
  graph::FileOp op;
  op.actions.emplace_back(std::move(action));
  op.made_time = builder.made_time();
  std::string name = builder.step_name({.escape = builder.context().ast.escape});
  builder.add_step(std::move(op), {}, std::move(name));
  builder.add_layer_history("WORKDIR " + directory);
}

void lower_cmd(StageBuilder& builder, const Cmd& cmd) {
  note_last(builder, builder.last_cmd);
  std::vector<std::string> words = command_words(builder, cmd.command);
  builder.add_history("CMD " + quoted_list(words));
  config_of(builder).cmd = std::move(words);
  config_of(builder).args_escaped = true;
}

void lower_entrypoint(StageBuilder& builder, const Entrypoint& entrypoint) {
  note_last(builder, builder.last_entrypoint);
  std::vector<std::string> words = command_words(builder, entrypoint.command);
  builder.add_history("ENTRYPOINT " + quoted_list(words));
  oci::ContainerConfig& config = config_of(builder);
  if (words.empty()) {
    config.entrypoint.reset();
  } else {
    config.entrypoint = std::move(words);
  }
  // A CMD of the base was meant for the base's entry point.
  if (!builder.last_cmd) config.cmd.reset();
}

void lower_expose(StageBuilder& builder, const Expose& expose) {
  std::vector<std::string> all;
  for (const Token& token : expose.ports) {
    for (const std::string& word : builder.expand_words(token).words) {
      try {
        const ExposedPorts ports = parse_ports(word);
        if (ports.is_mapping) {
          builder.warn("ExposeInvalidFormat",
                       fmt::format("EXPOSE instruction should not define an IP address or "
                                   "host-port mapping, found '{}'",
                                   word),
                       token.offset);
        }
        if (!ports.odd_protocol.empty()) {
          builder.warn("ExposeProtoCasing",
                       fmt::format("Defined protocol '{}' in EXPOSE instruction should be "
                                   "lowercase",
                                   word),
                       token.offset);
        }
        all.insert(all.end(), ports.ports.begin(), ports.ports.end());
      } catch (Mistake& mistake) {
        mistake.set_offset(token.offset);
        throw;
      }
    }
  }
  for (const std::string& port : all)
    add_sorted(config_of(builder).exposed_ports, port);
  builder.add_history("EXPOSE " + plain_list(all));
}

void lower_volume(StageBuilder& builder, const Volume& volume) {
  std::vector<std::string> paths;
  for (const Token& token : volume.paths) {
    paths.push_back(builder.expand_word(token));
    if (paths.back().empty()) {
      throw Mistake("VOLUME specified can not be an empty string").at(token.offset);
    }
  }
  for (const std::string& path : paths)
    add_sorted(config_of(builder).volumes, path);
  builder.add_history("VOLUME " + plain_list(paths));
}

void lower_user(StageBuilder& builder, const User& user) {
  const std::string name = builder.expand_word(user.user);
  config_of(builder).user = name;
  builder.add_history("USER " + name);
}

void lower_stop_signal(StageBuilder& builder, const StopSignal& signal) {
  const std::string name = builder.expand_word(signal.signal);
  if (!is_signal(name)) {
    throw Mistake(fmt::format("invalid signal: {}", name), "write a name like SIGTERM or a number")
        .at(signal.signal.offset);
  }
  config_of(builder).stop_signal = name;
  builder.add_history("STOPSIGNAL " + name);
}

void lower_maintainer(StageBuilder& builder, const Maintainer& maintainer) {
  builder.state().image.author = maintainer.name.text;
  builder.add_history("MAINTAINER " + maintainer.name.text);
}

void lower_shell(StageBuilder& builder, const Shell& shell) {
  config_of(builder).shell = shell.words;
  builder.add_history("SHELL " + plain_list(shell.words));
}

void lower_healthcheck(StageBuilder& builder, const HealthcheckCommand& healthcheck) {
  note_last(builder, builder.last_healthcheck);
  config_of(builder).healthcheck = healthcheck.check;
  builder.add_history("HEALTHCHECK " + fields_of(healthcheck.check));
}

void lower_onbuild(StageBuilder& builder, const Onbuild& onbuild) {
  config_of(builder).on_build.push_back(onbuild.trigger);
}

}  // namespace kiln::dockerfile
