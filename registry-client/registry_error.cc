#include "registry-client/registry_error.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "registry-client/client.h"
#include "registry-client/retry.h"

namespace kiln::registry {

namespace {

constexpr std::size_t kMaxWordsBytes = 400;

/// One line of printable text.
std::string printable(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {
      ++i;  // U+0080..U+009F, control characters too
    } else if (byte >= 0x20 && byte != 0x7f) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  while (out.ends_with(' '))
    out.pop_back();
  if (out.size() > kMaxWordsBytes) {
    std::size_t end = kMaxWordsBytes;
    while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0U) == 0x80U)
      --end;  // not in the middle of a UTF-8 character
    out.resize(end);
    out += "...";
  }
  return out;
}

std::string text_of(const nlohmann::json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// {"errors":[{"code":...,"message":...}]}, and what token servers send: {"details":...},
/// {"error":...,"error_description":...}.
std::string words_of_json(const nlohmann::json& document) {
  if (!document.is_object()) return {};
  std::string words;
  if (const auto errors = document.find("errors"); errors != document.end() && errors->is_array()) {
    for (const auto& error : *errors) {
      if (!error.is_object()) continue;
      const auto code = text_of(error, "code");
      const auto message = text_of(error, "message");
      if (code.empty() && message.empty()) continue;
      if (!words.empty()) words += "; ";
      words +=
          message.empty() || code.empty() ? message + code : fmt::format("{} ({})", message, code);
    }
    return words;
  }
  for (const char* key : {"error_description", "details", "message", "error"}) {
    if (words = text_of(document, key); !words.empty()) return words;
  }
  return {};
}

bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::string what_to_do(int status, const Asked& asked) {
  if (asked.registry.empty()) return {};
  switch (status) {
    case 401:
      if (asked.authorized) {
        return fmt::format("; what was given is refused: run `kiln login {}` again",
                           asked.registry);
      }
      return fmt::format(
          "; the repository does not exist or needs credentials: run `kiln login {}`",
          asked.registry);
    case 403:
      return fmt::format("; the account may not do this: run `kiln login {}` with one that may",
                         asked.registry);
    case 413:
      return "; the registry or a proxy before it limits the size of uploads";
    case 429:
      return fmt::format("; the registry limits requests: wait, or run `kiln login {}`",
                         asked.registry);
    default:
      return {};
  }
}

Errc code_of(int status) {
  if (status == 401 || status == 403) return Errc::denied;
  if (status == 404) return Errc::not_found;
  return status >= 400 && status < 500 ? Errc::invalid_input : Errc::unavailable;
}

}  // namespace

std::string server_words(std::string_view body) {
  const auto document = nlohmann::json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!document.is_discarded()) return printable(words_of_json(document));
  const auto start = body.find_first_not_of(" \t\r\n");
  // A page of HTML explains nothing; bytes that are not text do not either.
  if (start == std::string_view::npos || body[start] == '<' || !is_ascii(body)) return {};
  return printable(body.substr(start));
}

void throw_status(const Asked& asked, const ResponseHead& head, std::string_view body) {
  const auto words = server_words(body);
  const auto message =
      fmt::format("{} {}: {}{}{}{}", asked.method, asked.url.redacted(), status_text(head.status),
                  words.empty() ? "" : ": ", words, what_to_do(head.status, asked));
  if (!is_temporary(head.status)) throw RegistryError(code_of(head.status), head.status, message);
  TemporaryError error(head.status, message);
  if (const auto value = head.headers.find("Retry-After")) {
    error.retry_after = parse_retry_after(*value, std::chrono::system_clock::now());
  }
  throw error;
}

void throw_connect(const Asked& asked, const ConnectError& error) {
  using Stage = ConnectError::Stage;
  const auto stage = error.stage();
  std::string advice;
  if (stage == Stage::no_such_host) {
    advice = "; check the name";
  } else if (asked.registry.empty()) {
    advice = "";
  } else if (stage == Stage::certificate) {
    advice = fmt::format(
        "; if you trust it, name its authority: `ca = [\"FILE\"]` under [registry.\"{}\"] in "
        "kilnd.toml",
        asked.registry);
  } else if (stage == Stage::connect && is_loopback(asked.url.authority())) {
    advice = "; is the registry running?";
  } else if (asked.url.tls) {
    advice = fmt::format(
        "; if the registry speaks plain HTTP, set `http = true` under [registry.\"{}\"] in "
        "kilnd.toml",
        asked.registry);
  }
  const auto message =
      fmt::format("{} {}: {}{}", asked.method, asked.url.redacted(), error.what(), advice);
  if (stage != Stage::connect) throw RegistryError(Errc::unavailable, 0, message);
  TemporaryError temporary(0, message);
  temporary.connected = false;
  throw temporary;
}

void throw_broken(const Asked& asked, std::string_view cause) {
  throw TemporaryError(0, fmt::format("{} {}: {}", asked.method, asked.url.redacted(), cause));
}

}  // namespace kiln::registry
