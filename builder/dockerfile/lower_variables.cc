// ARG, ENV and LABEL.
#include <algorithm>

#include "builder/dockerfile/stage_builder.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

bool is_control(std::string_view name) {
  return name == "BUILDKIT_SBOM_SCAN_CONTEXT" || name == "BUILDKIT_SBOM_SCAN_STAGE";
}

void set_image_env(std::vector<std::string>& env, const std::string& name, std::string_view value) {
  const std::string entry = fmt::format("{}={}", name, value);
  const auto same =
      std::ranges::find_if(env, [&](const std::string& old) { return variable_of(old) == name; });
  if (same == env.end()) {
    env.push_back(entry);
  } else {
    *same = entry;
  }
}

void warn_legacy(StageBuilder& builder, const KeyValue& pair) {
  if (!pair.legacy) return;
  const std::string keyword = builder.instruction().keyword;
  builder.warn("LegacyKeyValueFormat",
               fmt::format("\"{0} key=value\" should be used instead of legacy \"{0} key value\" "
                           "format",
                           keyword),
               0);
}

/// All of an instruction's words see the variables as they were before it.
std::vector<std::pair<std::string, std::string>> expand_pairs(StageBuilder& builder,
                                                              const std::vector<KeyValue>& pairs) {
  std::vector<std::pair<std::string, std::string>> result;
  for (const KeyValue& pair : pairs) {
    std::string key = builder.expand_word(pair.key);
    result.emplace_back(std::move(key), builder.expand_word(pair.value));
  }
  return result;
}

}  // namespace

void lower_arg(StageBuilder& builder, const Arg& arg) {
  StageState& state = builder.state();
  const LowerOptions& options = builder.options();
  std::string history = "ARG";
  for (const Arg::Definition& definition : arg.definitions) {
    const std::string& name = definition.name.text;
    lint_secret(builder.context().linter, builder.instruction(), "ARG", definition.name);
    std::optional<std::string> value;
    bool is_global = false;
    if (const auto given = options.build_args.find(name); given != options.build_args.end()) {
      value = given->second;
    } else if (definition.value) {
      value = builder.expand_word(*definition.value);
    } else if (const std::string* global = builder.context().plan.globals.find(name)) {
      value = *global;
      is_global = true;
    }
    if (!is_global) {
      const Instruction& instruction = builder.instruction();
      state.uses.define(
          {name, description_of(instruction, name), value.value_or(""), builder.range()});
    }
    state.uses.use(name);
    if (value && !is_control(name)) state.environment.set(name, *value);
    state.arguments.emplace_back(name, value.value_or(""));
    history += " " + name + (value ? "=" + *value : "");
  }
  builder.add_history(std::move(history));
}

void lower_env(StageBuilder& builder, const Env& env) {
  StageState& state = builder.state();
  const auto pairs = expand_pairs(builder, env.pairs);
  std::string history = "ENV";
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const auto& [name, value] = pairs[i];
    warn_legacy(builder, env.pairs[i]);
    lint_secret(builder.context().linter, builder.instruction(), "ENV",
                {name, env.pairs[i].key.offset});
    state.environment.set(name, value);
    set_image_env(state.image.config.env, name, value);
    history += " " + name + "=" + value;
  }
  builder.add_history(std::move(history));
}

void lower_label(StageBuilder& builder, const Label& label) {
  const auto pairs = expand_pairs(builder, label.pairs);
  std::string history = "LABEL";
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    warn_legacy(builder, label.pairs[i]);
    builder.state().image.config.labels[pairs[i].first] = pairs[i].second;
    history += " " + pairs[i].first + "=" + pairs[i].second;
  }
  builder.add_history(std::move(history));
}

}  // namespace kiln::dockerfile
