#include "proto/log_text.h"

#include <algorithm>

namespace kiln {

namespace {

/// How many bytes a character has by its first one; 1 for what begins none.
std::size_t character_size(unsigned char first) {
  if (first >= 0xc2 && first <= 0xdf) return 2;
  if (first >= 0xe0 && first <= 0xef) return 3;
  if (first >= 0xf0 && first <= 0xf4) return 4;
  return 1;
}

}  // namespace

std::size_t complete_utf8_size(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xc0U) == 0x80U) continue;  // inside a character: look further back
    return character_size(byte) > back ? text.size() - back : text.size();
  }
  return text.size();
}

std::string LogText::add(StepLog log) {
  std::string& waiting = waiting_[{log.step, log.stream}];
  std::string text = waiting.empty() ? std::move(log.text) : waiting + log.text;
  const std::size_t size = complete_utf8_size(text);
  waiting = text.substr(size);
  text.resize(size);
  return text;
}

std::vector<StepLog> LogText::finish(std::optional<int> step) {
  std::vector<StepLog> rest;
  for (auto next = waiting_.begin(); next != waiting_.end();) {
    if (step && next->first.first != *step) {
      ++next;
      continue;
    }
    if (!next->second.empty()) {
      rest.push_back({next->first.first, next->first.second, std::move(next->second)});
    }
    next = waiting_.erase(next);
  }
  return rest;
}

}  // namespace kiln
