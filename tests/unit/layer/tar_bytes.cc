#include "tests/unit/layer/tar_bytes.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstring>

namespace kiln::layer::testing {

namespace {

void set(std::string& block, std::size_t offset, std::string_view text) {
  block.replace(offset, text.size(), text);
}

}  // namespace

std::string raw_entry(const RawEntry& entry) {
  std::string block(512, '\0');
  const long size =
      entry.claimed_size >= 0 ? entry.claimed_size : static_cast<long>(entry.content.size());
  set(block, 0, std::string_view(entry.name).substr(0, 100));
  set(block, 100, fmt::format("{:07o}", entry.mode));
  set(block, 108, fmt::format("{:07o}", entry.uid));
  set(block, 116, fmt::format("{:07o}", entry.gid));
  set(block, 124, fmt::format("{:011o}", size));
  set(block, 136, fmt::format("{:011o}", entry.mtime));
  block[156] = entry.type;
  set(block, 157, std::string_view(entry.link).substr(0, 100));
  set(block, 257, std::string_view("ustar\00000", 8));
  set(block, 329, fmt::format("{:07o}", entry.device_major));
  set(block, 337, fmt::format("{:07o}", entry.device_minor));
  set(block, 148, "        ");
  unsigned sum = 0;
  for (const char c : block)
    sum += static_cast<unsigned char>(c);
  set(block, 148, std::string_view(fmt::format("{:06o}", sum) + '\0' + ' '));
  std::string content = entry.content;
  content.resize((content.size() + 511) / 512 * 512);
  return block + content;
}

std::string pax_record(std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + 1;
  while (std::to_string(length).size() + rest != length)
    length = std::to_string(length).size() + rest;
  return fmt::format("{} {}={}\n", length, key, value);
}

std::string pax_entry(const std::string& records) {
  return raw_entry({.name = "pax", .type = 'x', .content = records, .link = {}});
}

std::string tar_end() {
  return std::string(1024, '\0');
}

}  // namespace kiln::layer::testing
