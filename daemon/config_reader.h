// One table of a TOML file, read key by key; what nobody asked for is an error.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <toml++/toml.h>
#include <vector>

#include "proto/error.h"

namespace kiln::daemon {

class ConfigReader {
 public:
  /// `prefix` is what goes in front of keys in messages: "run.", "" at the top. `origins` receives
  /// "FILE:LINE" of every key that is read. All must outlive it.
  ConfigReader(const toml::table& table,
               std::string prefix,
               const std::string& file,
               std::map<std::string, std::string>& origins)
      : table_(table), prefix_(std::move(prefix)), file_(file), origins_(origins) {}

  /// Each leaves `value` alone when the key is missing, and throws Error{invalid_input} with file,
  /// line and key when its type is another.
  void read(std::string_view key, std::string& value);
  void read(std::string_view key, bool& value);
  void read(std::string_view key, int& value, int least, int most);
  void read(std::string_view key, std::vector<std::string>& value);
  /// A string or an integer, as text.
  void read_amount(std::string_view key, std::string& value);
  /// A table.
  void read(std::string_view key, const std::function<void(ConfigReader&)>& take);
  /// Every table in this one: its name and a reader.
  void read_each(const std::function<void(const std::string& name, ConfigReader&)>& take);

  /// Throws Error{invalid_input} for the first key that was not read.
  void finish() const;

  /// Runs check; an Error of it gets the key's place in front. For values with a grammar.
  void checked(std::string_view key, const std::function<void()>& check) const;

 private:
  [[nodiscard]] const toml::node* find(std::string_view key);
  [[noreturn]] void wrong_type(std::string_view key,
                               const toml::node& node,
                               const char* type) const;
  [[nodiscard]] std::string place(const toml::source_region& source) const;

  const toml::table& table_;
  std::string prefix_;
  const std::string& file_;
  std::map<std::string, std::string>& origins_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace kiln::daemon
