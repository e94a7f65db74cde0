// How messages become JSON and come back: each type lists its fields once, in fields(); Writer and
// Reader walk that list, so that what is written and what is read cannot drift apart.
//
// Empty fields are not written; unknown fields are ignored, so that either side may be newer.
// For proto/*_json.cc only: it brings nlohmann/json.
#pragma once

#include <array>
#include <concepts>
#include <nlohmann/json.hpp>
#include <utility>

#include "proto/messages.h"

namespace kiln {

using Json = nlohmann::ordered_json;

template <class T>
constexpr bool kIsOptional = false;
template <class T>
constexpr bool kIsOptional<std::optional<T>> = true;

template <class T>
concept Scalar = std::integral<T> || std::same_as<T, std::string>;

template <class T>
Json write(const T& value);

/// Rows that commands print for scripts: these find every field in each of them.
template <class T>
constexpr bool kHasAllFields = false;

/// The words of an enumeration, {value, word} each; Errc has to_word().
template <class T>
struct EnumWords;

/// Writes the fields of one object, leaving out what is empty unless `all` are wanted.
struct Writer {
  bool all = false;
  Json object = Json::object();

  template <class T>
  void operator()(const char* name, const T& value) {
    if constexpr (kIsOptional<T>) {
      if (value) object[name] = write(*value);
    } else if constexpr (std::is_enum_v<T>) {
      object[name] = write(value);
    } else if constexpr (std::integral<T>) {
      if (all || value != T{}) object[name] = value;
    } else if constexpr (requires { value.empty(); }) {
      if (all || !value.empty()) object[name] = write(value);
    } else {
      object[name] = write(value);
    }
  }
};

template <class T>
std::string_view word_of(T value) {
  for (const auto& [known, word] : EnumWords<T>::kWords) {
    if (known == value) return word;
  }
  throw Error(Errc::internal, "a message has a value without a word");
}

template <class T>
Json write(const T& value) {
  if constexpr (Scalar<T> || std::same_as<T, std::map<std::string, std::string>> ||
                std::same_as<T, std::vector<std::pair<std::string, std::string>>>) {
    return value;
  } else if constexpr (std::same_as<T, Errc>) {
    return to_word(value);
  } else if constexpr (std::is_enum_v<T>) {
    return word_of(value);
  } else if constexpr (requires { value.begin(); }) {
    Json array = Json::array();
    for (const auto& item : value)
      array.push_back(write(item));
    return array;
  } else {
    Writer writer{.all = kHasAllFields<T>};
    fields(writer,
           const_cast<T&>(value));  // NOLINT: fields() serves both directions, Writer only reads
    return std::move(writer.object);
  }
}

[[noreturn]] inline void refuse(std::string_view name) {
  throw Error(Errc::invalid_input, "message field \"{}\" has the wrong type", name);
}

template <class T>
void read(const Json& json, std::string_view name, T& value);

/// Reads the fields of one object; what is missing keeps its default.
struct Reader {
  const Json& object;

  template <class T>
  void operator()(const char* name, T& value) {
    const auto found = object.find(name);
    if (found != object.end() && !found->is_null()) read(*found, name, value);
  }
};

inline void read_enum(const Json& json, std::string_view name, Errc& value) {
  const std::string word = json.is_string() ? json.get<std::string>() : "";
  for (int code = 1; code <= static_cast<int>(Errc::internal); ++code) {
    if (to_word(static_cast<Errc>(code)) == word) {
      value = static_cast<Errc>(code);
      return;
    }
  }
  refuse(name);
}

template <class T>
void read_enum(const Json& json, std::string_view name, T& value) {
  const std::string word = json.is_string() ? json.get<std::string>() : "";
  for (const auto& [known, text] : EnumWords<T>::kWords) {
    if (text == word) {
      value = known;
      return;
    }
  }
  refuse(name);
}

template <class T>
void read(const Json& json, std::string_view name, T& value) {
  if constexpr (kIsOptional<T>) {
    read(json, name, value.emplace());
  } else if constexpr (std::is_enum_v<T>) {
    read_enum(json, name, value);
  } else if constexpr (std::same_as<T, bool>) {
    if (!json.is_boolean()) refuse(name);
    value = json.get<bool>();
  } else if constexpr (std::integral<T>) {
    if (!json.is_number_integer()) refuse(name);
    const bool fits = json.is_number_unsigned() ? std::in_range<T>(json.get<std::uint64_t>())
                                                : std::in_range<T>(json.get<std::int64_t>());
    if (!fits) refuse(name);
    value = json.get<T>();
  } else if constexpr (std::same_as<T, std::string>) {
    if (!json.is_string()) refuse(name);
    value = json.get<std::string>();
  } else if constexpr (std::same_as<T, std::map<std::string, std::string>>) {
    if (!json.is_object()) refuse(name);
    for (const auto& [key, item] : json.items())
      read(item, name, value[key]);
  } else if constexpr (std::same_as<T, std::pair<std::string, std::string>>) {
    if (!json.is_array() || json.size() != 2) refuse(name);
    read(json[0], name, value.first);
    read(json[1], name, value.second);
  } else if constexpr (requires { value.emplace_back(); }) {
    if (!json.is_array()) refuse(name);
    for (const Json& item : json)
      read(item, name, value.emplace_back());
  } else {
    if (!json.is_object()) refuse(name);
    Reader reader{json};
    fields(reader, value);
  }
}

inline std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

inline Json parse(std::string_view text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) throw Error(Errc::invalid_input, "the message is not valid JSON");
  return json;
}

}  // namespace kiln
