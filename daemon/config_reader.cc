#include "daemon/config_reader.h"

namespace kiln::daemon {

const toml::node* ConfigReader::find(std::string_view key) {
  known_.emplace(key);
  const toml::node* node = table_.get(key);
  if (node && !node->is_table()) origins_[prefix_ + std::string(key)] = place(node->source());
  return node;
}

std::string ConfigReader::place(const toml::source_region& source) const {
  return fmt::format("{}:{}", file_, source.begin.line);
}

void ConfigReader::wrong_type(std::string_view key,
                              const toml::node& node,
                              const char* type) const {
  throw Error(Errc::invalid_input, "{}: {}{} must be {}", place(node.source()), prefix_, key, type);
}

void ConfigReader::read(std::string_view key, std::string& value) {
  const toml::node* node = find(key);
  if (!node) return;
  if (!node->is_string()) wrong_type(key, *node, "a string");
  value = node->as_string()->get();
}

void ConfigReader::read(std::string_view key, bool& value) {
  const toml::node* node = find(key);
  if (!node) return;
  if (!node->is_boolean()) wrong_type(key, *node, "true or false");
  value = node->as_boolean()->get();
}

void ConfigReader::read(std::string_view key, int& value, int least, int most) {
  const toml::node* node = find(key);
  if (!node) return;
  const auto* number = node->as_integer();
  if (!number || number->get() < least || number->get() > most) {
    wrong_type(key, *node, fmt::format("a number from {} to {}", least, most).c_str());
  }
  value = static_cast<int>(number->get());
}

void ConfigReader::read(std::string_view key, std::vector<std::string>& value) {
  const toml::node* node = find(key);
  if (!node) return;
  const toml::array* array = node->as_array();
  if (!array) wrong_type(key, *node, "an array of strings");
  value.clear();
  for (const toml::node& item : *array) {
    if (!item.is_string()) wrong_type(key, item, "an array of strings");
    value.push_back(item.as_string()->get());
  }
}

void ConfigReader::read_amount(std::string_view key, std::string& value) {
  const toml::node* node = find(key);
  if (!node) return;
  if (node->is_integer()) {
    value = std::to_string(node->as_integer()->get());
  } else if (node->is_string()) {
    value = node->as_string()->get();
  } else {
    wrong_type(key, *node, "a size: a number of bytes or a string like \"100GB\"");
  }
}

void ConfigReader::read(std::string_view key, const std::function<void(ConfigReader&)>& take) {
  const toml::node* node = find(key);
  if (!node) return;
  if (!node->is_table()) wrong_type(key, *node, "a table");
  ConfigReader reader(*node->as_table(), fmt::format("{}{}.", prefix_, key), file_, origins_);
  take(reader);
  reader.finish();
}

void ConfigReader::read_each(
    const std::function<void(const std::string& name, ConfigReader&)>& take) {
  for (const auto& [key, node] : table_) {
    const std::string name(key.str());
    known_.emplace(name);
    if (!node.is_table()) wrong_type(name, node, "a table");
    ConfigReader reader(*node.as_table(), fmt::format("{}\"{}\".", prefix_, name), file_, origins_);
    take(name, reader);
    reader.finish();
  }
}

void ConfigReader::finish() const {
  for (const auto& [key, node] : table_) {
    if (known_.contains(key.str())) continue;
    std::string known;
    for (const std::string& name : known_)
      known += (known.empty() ? "" : ", ") + name;
    throw Error(Errc::invalid_input, "{}: unknown key {}{}; here can be: {}", place(key.source()),
                prefix_, key.str(), known);
  }
}

void ConfigReader::checked(std::string_view key, const std::function<void()>& check) const {
  const toml::node* node = table_.get(key);
  if (!node) return;
  try {
    check();
  } catch (Error& error) {
    error.add_context(fmt::format("{}: {}{}", place(node->source()), prefix_, key));
    throw;
  }
}

}  // namespace kiln::daemon
