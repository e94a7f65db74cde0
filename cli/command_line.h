// The flags of one command, as docker's: a repeated single value keeps the last, a list takes one
// value each time, --flag=false turns a flag off. CLI11 is behind it, in one translation unit.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace kiln::cli {

/// A command as it was called.
struct Invocation {
  std::string name;               ///< "build"
  std::string host;               ///< --host, "" when not given
  std::vector<std::string> args;  ///< what stands behind the name
};

struct HelpText {
  std::string description;
  std::string examples;  ///< whole lines, each indented by two spaces
};

class CommandLine {
 public:
  /// Every command has --host and --help. `invocation` outlives this object.
  CommandLine(Invocation& invocation, const HelpText& help);
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;
  ~CommandLine();

  void flag(const std::string& names, bool& value, const std::string& help);
  /// Accepted for docker's sake, without effect and not in the help.
  void ignored_flag(const std::string& name);
  /// A flag that may carry values: --name gives "true", --name=V gives "V".
  void flag_with_values(const std::string& name,
                        std::vector<std::string>& values,
                        const std::string& help);
  void option(const std::string& names,
              std::string& value,
              const std::string& kind,
              const std::string& help);
  void list(const std::string& names,
            std::vector<std::string>& values,
            const std::string& kind,
            const std::string& help);

  enum class Need { required, optional };
  void positional(const std::string& name,
                  std::string& value,
                  const std::string& help,
                  Need need = Need::required);
  void positionals(const std::string& name,
                   std::vector<std::string>& values,
                   const std::string& help,
                   Need need = Need::required);

  /// False: help was asked for and printed. Throws UsageError.
  [[nodiscard]] bool parse();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kiln::cli
