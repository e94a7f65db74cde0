// Tar archives made byte by byte, so that tests can say what no honest program would write.
#pragma once

#include <string>
#include <string_view>

namespace kiln::layer::testing {

struct RawEntry {
  std::string name;
  char type =
      '0';  ///< '0' file, '1' hard link, '2' symlink, '3' char, '4' block, '5' dir, '6' fifo
  std::string content;
  std::string link;
  unsigned mode = 0644;
  unsigned uid = 0;
  unsigned gid = 0;
  long mtime = 0;
  unsigned device_major = 0;
  unsigned device_minor = 0;
  long claimed_size = -1;  ///< in the header, when it is not that of the content
};

/// A header with its check sum, the content and its padding.
std::string raw_entry(const RawEntry& entry);
/// A pax header for the entry that follows.
std::string pax_record(std::string_view key, std::string_view value);
std::string pax_entry(const std::string& records);
/// The two zero blocks.
std::string tar_end();

}  // namespace kiln::layer::testing
