#include "registry-client/challenge.h"

#include <cctype>
#include <optional>

namespace kiln::registry {

namespace {

bool is_token_char(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
         std::string_view("!#$%&'*+-.^_`|~").contains(c);
}

/// The characters of a credential blob: `Negotiate abc/def==`.
bool is_token68_char(char c) {
  return is_token_char(c) || c == '/' || c == '=';
}

class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  void skip(std::string_view characters) {
    const auto start = rest_.find_first_not_of(characters);
    rest_.remove_prefix(start == std::string_view::npos ? rest_.size() : start);
  }
  [[nodiscard]] bool done() const { return rest_.empty(); }
  [[nodiscard]] bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  [[nodiscard]] std::string token(bool (*accepts)(char) = is_token_char) {
    std::size_t end = 0;
    while (end < rest_.size() && accepts(rest_[end]))
      ++end;
    std::string text(rest_.substr(0, end));
    rest_.remove_prefix(end);
    return text;
  }
  [[nodiscard]] std::string value() {
    // Some registries do not quote their realm: take all up to the next comma.
    if (!take('"')) {
      const auto end = rest_.find_first_of(", \t");
      std::string text(rest_.substr(0, end));
      rest_.remove_prefix(text.size());
      return text;
    }
    std::string text;
    while (!done() && !take('"')) {
      if (rest_.front() == '\\' && rest_.size() > 1) rest_.remove_prefix(1);
      text += rest_.front();
      rest_.remove_prefix(1);
    }
    return text;
  }

 private:
  std::string_view rest_;
};

std::string lower(std::string text) {
  for (char& c : text)
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

}  // namespace

std::vector<Challenge> parse_challenges(std::string_view value) {
  std::vector<Challenge> challenges;
  Scanner scanner(value);
  for (scanner.skip(", \t"); !scanner.done(); scanner.skip(", \t")) {
    const std::string word = lower(scanner.token());
    if (word.empty()) break;
    scanner.skip(" \t");
    if (scanner.take('=')) {
      scanner.skip(" \t");
      auto text = scanner.value();
      if (challenges.empty()) break;
      challenges.back().parameters.emplace(word, std::move(text));
      continue;
    }
    challenges.push_back({word, {}});
    if (word == "negotiate" || word == "ntlm") (void)scanner.token(is_token68_char);
  }
  return challenges;
}

}  // namespace kiln::registry
