#include "builder/dockerfile/commands.h"

#include <algorithm>

#include "builder/dockerfile/commands_files.h"
#include "builder/dockerfile/flags.h"
#include "builder/dockerfile/healthcheck.h"
#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/mounts.h"
#include "builder/dockerfile/suggest.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

std::string name_of(const RawInstruction& raw) {
  return upper(raw.instruction.keyword);
}

/// The instructions whose one argument is the whole text.
Token whole_text(const RawInstruction& raw) {
  if (raw.rest.text.empty()) {
    throw Mistake(fmt::format("{} requires exactly one argument", name_of(raw)));
  }
  return {std::string(raw.rest.text), raw.rest.offset};
}

[[noreturn]] void no_arguments(const RawInstruction& raw) {
  throw Mistake(fmt::format("{} requires at least one argument", name_of(raw)));
}

bool is_stage_name(std::string_view name) {
  const auto lower_case = [](char c) { return c >= 'a' && c <= 'z'; };
  return !name.empty() && lower_case(name[0]) && std::ranges::all_of(name, [&](char c) {
    return lower_case(c) || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
}

Command parse_from(const RawInstruction& raw) {
  const std::vector<Token> words = split_blanks(raw.rest);
  From from;
  if (words.size() == 3 && equal_fold(words[1].text, "as")) {
    from.keyword = words[1].text;
    from.name_token = words[2];
    from.name = lower(words[2].text);
    if (!is_stage_name(from.name)) {
      throw Mistake(fmt::format("invalid name for build stage: \"{}\", name can't start with a "
                                "number or contain symbols",
                                words[2].text))
          .at(words[2].offset);
    }
  } else if (words.size() != 1) {
    throw Mistake("FROM requires either one or three arguments", "write FROM IMAGE [AS NAME]");
  }
  from.base = words[0];
  check_flags(raw.instruction, {{"platform", FlagKind::text}});
  return from;
}

Command parse_arg(const RawInstruction& raw) {
  Arg arg;
  for (Token& word : split_words(raw.rest, raw.escape)) {
    const std::size_t equals = word.text.find('=');
    if (equals == 0) throw Mistake("ARG names can not be blank").at(word.offset);
    Arg::Definition definition;
    if (equals != std::string::npos) {
      definition.value = Token{word.text.substr(equals + 1), word.offset + equals + 1};
      word.text.resize(equals);
    }
    definition.name = std::move(word);
    arg.definitions.push_back(std::move(definition));
  }
  if (arg.definitions.empty()) no_arguments(raw);
  return arg;
}

/// "K=V ..." or the old "K V".
std::vector<KeyValue> parse_pairs(const RawInstruction& raw) {
  check_flags(raw.instruction, {});
  const std::vector<Token> words = split_words(raw.rest, raw.escape);
  if (words.empty()) no_arguments(raw);
  std::vector<KeyValue> pairs;
  if (words[0].text.find('=') == std::string::npos) {
    const std::string_view text = raw.rest.text;
    std::size_t end = 0;
    while (end < text.size() && !is_blank(text[end]))
      ++end;
    std::size_t value = end;
    while (value < text.size() && is_blank(text[value]))
      ++value;
    if (value == text.size()) {
      throw Mistake(fmt::format("{} must have two arguments", name_of(raw)),
                    fmt::format("write {} NAME=VALUE", name_of(raw)))
          .at(raw.rest.offset);
    }
    pairs.push_back({{std::string(text.substr(0, end)), raw.rest.offset},
                     {std::string(text.substr(value)), raw.rest.offset + value},
                     true});
    return pairs;
  }
  for (const Token& word : words) {
    const std::size_t equals = word.text.find('=');
    if (equals == std::string::npos) {
      throw Mistake(
          fmt::format("can't find = in \"{}\": must be of the form name=value", word.text),
          "quote the value when it contains blanks")
          .at(word.offset);
    }
    if (equals == 0) {
      throw Mistake(fmt::format("{} names can not be blank", name_of(raw))).at(word.offset);
    }
    pairs.push_back({{word.text.substr(0, equals), word.offset},
                     {word.text.substr(equals + 1), word.offset + equals + 1},
                     false});
  }
  return pairs;
}

Command parse_env(const RawInstruction& raw) {
  return Env{parse_pairs(raw)};
}
Command parse_label(const RawInstruction& raw) {
  return Label{parse_pairs(raw)};
}

CommandLine command_line(const RawInstruction& raw) {
  CommandLine line;
  line.offset = raw.rest.offset;
  if (auto json = parse_json_list(raw.rest.text)) {
    line.exec_form = true;
    line.words = std::move(*json);
  } else {
    if (!raw.rest.text.empty()) line.words = {std::string(raw.rest.text)};
    line.heredocs = raw.heredocs;
  }
  return line;
}

void check_choice(const Instruction& instruction,
                  std::string_view name,
                  const std::vector<std::string>& choices) {
  const Flag* flag = instruction.flag(name);
  if (!flag || std::ranges::find(choices, *flag->value) != choices.end()) return;
  throw Mistake(
      fmt::format("invalid --{} \"{}\": want {}", name, *flag->value, join(choices, ", ")),
      did_you_mean(*flag->value, choices))
      .at(flag->offset);
}

Command parse_run(const RawInstruction& raw) {
  check_flags(
      raw.instruction,
      {{"mount", FlagKind::list}, {"network", FlagKind::text}, {"security", FlagKind::text}});
  check_choice(raw.instruction, "network", {"default", "none", "host"});
  check_choice(raw.instruction, "security", {"sandbox", "insecure"});
  CommandLine line = command_line(raw);
  if (line.exec_form && line.words.empty()) throw Mistake("RUN requires a command");
  return Run{std::move(line), parse_mounts(raw.instruction)};
}
Command parse_cmd(const RawInstruction& raw) {
  check_flags(raw.instruction, {});
  return Cmd{command_line(raw)};
}
Command parse_entrypoint(const RawInstruction& raw) {
  check_flags(raw.instruction, {});
  return Entrypoint{command_line(raw)};
}

Command parse_expose(const RawInstruction& raw) {
  check_flags(raw.instruction, {});
  Expose expose{split_blanks(raw.rest)};
  if (expose.ports.empty()) no_arguments(raw);
  std::ranges::sort(expose.ports, {}, &Token::text);
  return expose;
}

Command parse_volume(const RawInstruction& raw) {
  check_flags(raw.instruction, {});
  Volume volume{words_or_json(raw)};
  if (volume.paths.empty()) no_arguments(raw);
  for (Token& path : volume.paths) {
    path.text = trim(path.text);
    if (path.text.empty()) {
      throw Mistake("VOLUME specified can not be an empty string").at(path.offset);
    }
  }
  return volume;
}

Command parse_workdir(const RawInstruction& raw) {
  check_flags(raw.instruction, {});
  return Workdir{whole_text(raw)};
}
Command parse_user(const RawInstruction& raw) {
  check_flags(raw.instruction, {});
  return User{whole_text(raw)};
}
Command parse_stop_signal(const RawInstruction& raw) {
  return StopSignal{whole_text(raw)};
}
Command parse_maintainer(const RawInstruction& raw) {
  check_flags(raw.instruction, {});
  return Maintainer{whole_text(raw)};
}

Command parse_shell(const RawInstruction& raw) {
  check_flags(raw.instruction, {});
  if (raw.rest.text.empty()) no_arguments(raw);
  auto words = parse_json_list(raw.rest.text);
  if (!words) {
    throw Mistake("SHELL requires the arguments to be in JSON form",
                  "write SHELL [\"/bin/bash\", \"-c\"]")
        .at(raw.rest.offset);
  }
  if (words->empty()) no_arguments(raw);
  return Shell{std::move(*words)};
}

Command parse_health(const RawInstruction& raw) {
  return parse_healthcheck(raw);
}

/// What is wrong with a trigger whatever image it will fire in. The rest is found there.
void check_trigger(const RawInstruction& raw, std::string_view keyword) {
  const Split split = split_instruction(raw.rest.text, raw.escape);
  const Rest rest{split.rest, raw.rest.offset + split.rest_offset};
  if ((keyword == "ENV" || keyword == "LABEL") && !rest.text.empty()) {
    Instruction trigger;
    trigger.keyword = keyword;
    (void)parse_pairs({trigger, rest, raw.escape, {}});
    return;
  }
  for (const std::string_view list :
       {"RUN", "CMD", "ENTRYPOINT", "SHELL", "ADD", "COPY", "VOLUME"}) {
    if (keyword == list) (void)parse_json_list(rest.text);
  }
}

Command parse_onbuild(const RawInstruction& raw) {
  check_flags(raw.instruction, {});
  if (raw.rest.text.empty()) no_arguments(raw);
  const std::string keyword = upper(split_instruction(raw.rest.text, raw.escape).keyword);
  if (keyword == "ONBUILD") {
    throw Mistake("chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed").at(raw.rest.offset);
  }
  if (keyword == "FROM" || keyword == "MAINTAINER") {
    throw Mistake(fmt::format("{} isn't allowed as an ONBUILD trigger", keyword))
        .at(raw.rest.offset);
  }
  check_trigger(raw, keyword);
  // To the end of the line: BuildKit records trailing blanks too.
  Onbuild onbuild{raw.instruction.text.substr(raw.rest.offset)};
  for (const Heredoc& heredoc : raw.heredocs)
    onbuild.trigger += "\n" + heredoc.content + heredoc.name;
  return onbuild;
}

struct Entry {
  std::string_view name;
  Command (*parse)(const RawInstruction&);
};
constexpr Entry kInstructions[] = {{"ADD", parse_copy},
                                   {"ARG", parse_arg},
                                   {"CMD", parse_cmd},
                                   {"COPY", parse_copy},
                                   {"ENTRYPOINT", parse_entrypoint},
                                   {"ENV", parse_env},
                                   {"EXPOSE", parse_expose},
                                   {"FROM", parse_from},
                                   {"HEALTHCHECK", parse_health},
                                   {"LABEL", parse_label},
                                   {"MAINTAINER", parse_maintainer},
                                   {"ONBUILD", parse_onbuild},
                                   {"RUN", parse_run},
                                   {"SHELL", parse_shell},
                                   {"STOPSIGNAL", parse_stop_signal},
                                   {"USER", parse_user},
                                   {"VOLUME", parse_volume},
                                   {"WORKDIR", parse_workdir}};

}  // namespace

bool may_have_heredocs(std::string_view keyword) {
  return equal_fold(keyword, "RUN") || equal_fold(keyword, "COPY") || equal_fold(keyword, "ADD");
}

Command parse_command(const RawInstruction& raw) {
  const std::string name = name_of(raw);
  const auto entry = std::ranges::find(kInstructions, std::string_view(name), &Entry::name);
  if (entry != std::end(kInstructions)) return entry->parse(raw);
  std::vector<std::string> names;
  for (const Entry& known : kInstructions)
    names.emplace_back(known.name);
  throw Mistake(fmt::format("unknown instruction \"{}\"", raw.instruction.keyword),
                did_you_mean(name, names))
      .at(0);
}

}  // namespace kiln::dockerfile
