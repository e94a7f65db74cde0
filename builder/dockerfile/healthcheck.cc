#include "builder/dockerfile/healthcheck.h"

#include <charconv>

#include "builder/dockerfile/durations.h"
#include "builder/dockerfile/flags.h"
#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

constexpr std::int64_t kMinimumNs = 1'000'000;

std::int64_t duration_flag(const Instruction& instruction, std::string_view name) {
  const Flag* flag = instruction.flag(name);
  if (!flag || flag->value->empty()) return 0;
  try {
    const std::int64_t value = parse_duration(*flag->value);
    if (value != 0 && value < kMinimumNs) {
      throw Mistake(fmt::format("interval \"{}\" cannot be less than 1ms", name));
    }
    return value;
  } catch (Mistake& mistake) {
    mistake.set_offset(flag->offset);
    throw;
  }
}

int retries_flag(const Instruction& instruction) {
  const Flag* flag = instruction.flag("retries");
  if (!flag || flag->value->empty()) return 0;
  const std::string& text = *flag->value;
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) {
    throw Mistake(fmt::format("invalid --retries \"{}\": want a number", text)).at(flag->offset);
  }
  if (value < 0) {
    throw Mistake(fmt::format("--retries cannot be negative ({})", value)).at(flag->offset);
  }
  return value;
}

}  // namespace

HealthcheckCommand parse_healthcheck(const RawInstruction& raw) {
  const std::string_view text = raw.rest.text;
  if (text.empty()) throw Mistake("HEALTHCHECK requires at least one argument");
  std::size_t end = 0;
  while (end < text.size() && !is_space(static_cast<unsigned char>(text[end])))
    ++end;
  const std::string type = upper(text.substr(0, end));
  const std::string_view command = trim_left(text.substr(end));
  oci::Healthcheck check;
  if (type == "NONE") {
    if (!command.empty()) throw Mistake("HEALTHCHECK NONE takes no arguments");
    check.test = {"NONE"};
    return {check};
  }
  check_flags(raw.instruction, {{"interval", FlagKind::text},
                                {"timeout", FlagKind::text},
                                {"start-period", FlagKind::text},
                                {"start-interval", FlagKind::text},
                                {"retries", FlagKind::text}});
  if (type != "CMD") {
    throw Mistake(fmt::format("unknown type \"{}\" in HEALTHCHECK", type), "try CMD or NONE")
        .at(raw.rest.offset);
  }
  const auto json = parse_json_list(command);
  if (json ? json->empty() : command.empty())
    throw Mistake("missing command after HEALTHCHECK CMD");
  check.test = {json ? "CMD" : "CMD-SHELL"};
  if (json) {
    check.test.insert(check.test.end(), json->begin(), json->end());
  } else {
    check.test.emplace_back(command);
  }
  check.interval_ns = duration_flag(raw.instruction, "interval");
  check.timeout_ns = duration_flag(raw.instruction, "timeout");
  check.start_period_ns = duration_flag(raw.instruction, "start-period");
  check.start_interval_ns = duration_flag(raw.instruction, "start-interval");
  check.retries = retries_flag(raw.instruction);
  return {check};
}

}  // namespace kiln::dockerfile
