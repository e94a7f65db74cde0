#include "builder/dockerfile/flags.h"

#include <algorithm>

#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/suggest.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

void check_value(const Flag& flag, FlagKind kind) {
  if (kind != FlagKind::boolean) {
    if (flag.value) return;
    throw Mistake(fmt::format("missing a value on flag --{}", flag.name),
                  fmt::format("write --{}=VALUE", flag.name))
        .at(flag.offset);
  }
  if (!flag.value) return;
  const std::string value = lower(*flag.value);
  if (value == "true" || value == "false") return;
  throw Mistake(
      fmt::format("expecting boolean value for flag --{}, not \"{}\"", flag.name, *flag.value),
      "write true or false")
      .at(flag.offset);
}

}  // namespace

void check_flags(const Instruction& instruction, std::initializer_list<FlagSpec> known) {
  for (const Flag& flag : instruction.flags) {
    const auto spec = std::ranges::find(known, std::string_view(flag.name), &FlagSpec::name);
    if (spec == known.end()) {
      std::vector<std::string> names;
      for (const FlagSpec& other : known)
        names.emplace_back(other.name);
      throw Mistake(fmt::format("unknown flag --{} of {}", flag.name, upper(instruction.keyword)),
                    did_you_mean(flag.name, names, "--"))
          .at(flag.offset);
    }
    if (spec->kind != FlagKind::list && instruction.flag(flag.name) != &flag) {
      throw Mistake(fmt::format("flag --{} is given twice", flag.name)).at(flag.offset);
    }
    check_value(flag, spec->kind);
  }
}

bool is_set(const Instruction& instruction, std::string_view name, bool otherwise) {
  const Flag* flag = instruction.flag(name);
  if (!flag) return otherwise;
  return !flag->value || lower(*flag->value) == "true";
}

}  // namespace kiln::dockerfile
