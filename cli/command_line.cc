#include "cli/command_line.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>

#include "cli/errors.h"

namespace kiln::cli {

struct CommandLine::State {
  explicit State(Invocation& called) : invocation(called) {}
  Invocation& invocation;
  CLI::App app;
};

namespace {

bool starts_with_dash(const std::string& argument) {
  return argument.size() > 1 && argument[0] == '-';
}

/// What docker's flag parser reads in its own way: "-t=name" is "-t name" and "--target=" is an
/// empty value, not the next argument.
std::vector<std::string> normalise(const CLI::App& app, const std::vector<std::string>& args) {
  std::vector<std::string> result;
  bool flags = true;
  for (const std::string& argument : args) {
    if (argument == "--") flags = false;
    const bool is_short = flags && argument.size() > 2 && argument[0] == '-' &&
                          argument[1] != '-' && argument[2] == '=';
    const bool is_empty = flags && argument.size() > 3 && argument.starts_with("--") &&
                          argument.find('=') == argument.size() - 1;
    if (is_short) {
      result.push_back(argument.substr(0, 2));
      result.push_back(argument.substr(3));
      continue;
    }
    if (is_empty) {
      const std::string name = argument.substr(0, argument.size() - 1);
      const CLI::Option* option = app.get_option_no_throw(name);
      if (option != nullptr && option->get_items_expected_min() > 0) {
        result.push_back(name);
        result.emplace_back();
        continue;
      }
    }
    result.push_back(argument);
  }
  return result;
}

}  // namespace

CommandLine::CommandLine(Invocation& invocation, const HelpText& help)
    : state_(std::make_unique<State>(invocation)) {
  CLI::App& app = state_->app;
  app.name("kiln " + invocation.name);
  app.description(help.description);
  if (!help.examples.empty()) app.footer("Examples:\n" + help.examples);
  app.get_formatter()->label("REQUIRED", "");
  app.get_formatter()->label("TEXT", "");
  app.get_formatter()->column_width(34);
  app.set_help_flag("-h,--help", "Print this help");
  option("--host", invocation.host, "unix:///PATH", "The daemon's socket (also KILN_HOST)");
}

CommandLine::~CommandLine() = default;

void CommandLine::flag(const std::string& names, bool& value, const std::string& help) {
  state_->app.add_flag(names, value, help)->take_last();
}

void CommandLine::ignored_flag(const std::string& name) {
  state_->app.add_flag(name)->group("");
}

void CommandLine::flag_with_values(const std::string& name,
                                   std::vector<std::string>& values,
                                   const std::string& help) {
  state_->app.add_flag(name, values, help);
}

void CommandLine::option(const std::string& names,
                         std::string& value,
                         const std::string& kind,
                         const std::string& help) {
  state_->app.add_option(names, value, help)->take_last()->type_name(kind);
}

void CommandLine::list(const std::string& names,
                       std::vector<std::string>& values,
                       const std::string& kind,
                       const std::string& help) {
  state_->app.add_option(names, values, help)->allow_extra_args(false)->take_all()->type_name(kind);
}

void CommandLine::positional(const std::string& name,
                             std::string& value,
                             const std::string& help,
                             Need need) {
  state_->app.add_option(name, value, help)->required(need == Need::required)->type_name("");
}

void CommandLine::positionals(const std::string& name,
                              std::vector<std::string>& values,
                              const std::string& help,
                              Need need) {
  state_->app.add_option(name, values, help)->required(need == Need::required)->type_name("");
}

bool CommandLine::parse() {
  CLI::App& app = state_->app;
  const std::string& name = state_->invocation.name;
  std::vector<std::string> args = normalise(app, state_->invocation.args);
  std::ranges::reverse(args);  // CLI11 takes them from the back
  try {
    app.parse(args);
    return true;
  } catch (const CLI::CallForHelp&) {
    fmt::print("{}", app.help());
    return false;
  } catch (const CLI::ExtrasError& error) {
    const std::vector<std::string> extras = app.remaining();
    const auto flag = std::ranges::find_if(extras, starts_with_dash);
    if (flag != extras.end())
      throw UsageError("unknown flag {}; see 'kiln {} --help'", flag->substr(0, flag->find('=')),
                       name);
    throw UsageError("too many arguments: \"{}\"; see 'kiln {} --help'",
                     extras.empty() ? error.what() : extras.front(), name);
  } catch (const CLI::ParseError& error) {
    throw UsageError("{}; see 'kiln {} --help'", error.what(), name);
  }
}

}  // namespace kiln::cli
