#include "bench/micro/sample.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <random>
#include <vector>

#include "proto/error.h"

namespace kiln::bench {

namespace fs = std::filesystem;

std::string text_sample(std::size_t size_bytes) {
  std::mt19937 dice(20260101);  // NOLINT(cert-msc51-cpp): the same text each time
  std::vector<std::string> words(4000);
  for (std::string& word : words) {
    word.resize(2 + dice() % 8);
    for (char& letter : word)
      letter = "etaoinshrdlucmfwypvbgkqjxz"[std::min(dice() % 26, dice() % 26)];
  }
  std::string text;
  while (text.size() < size_bytes) {
    text.append(2 * (dice() % 4), ' ');
    for (std::size_t count = 3 + dice() % 8; count > 0; --count)
      text += words[std::min({dice() % words.size(), dice() % words.size(), dice() % 400})] + ' ';
    text += "();\n";
  }
  text.resize(size_bytes);
  return text;
}

std::string binary_sample(std::size_t size_bytes) {
  std::vector<fs::path> programs;
  for (const fs::directory_entry& entry : fs::directory_iterator("/usr/bin"))
    if (entry.is_regular_file() && !entry.is_symlink()) programs.push_back(entry.path());
  std::ranges::sort(programs);
  std::string bytes;
  for (const fs::path& program : programs) {
    if (bytes.size() >= size_bytes) break;
    bytes += os::read_file(program, std::size_t{1} << 30);
  }
  bytes.resize(std::min(bytes.size(), size_bytes));
  return bytes;
}

fs::path scratch_parent() {
  const char* named = std::getenv("KILN_BENCH_DIR");
  return named ? named : "/var/tmp";
}

SampleTree::SampleTree(std::size_t files, std::size_t total_bytes)
    : dir_(scratch_parent(), "kiln-bench"), files_(files) {
  const std::string text = text_sample(4 << 20);
  std::mt19937 dice(1);  // NOLINT(cert-msc51-cpp): the same sizes each time
  const std::size_t average = std::max<std::size_t>(1, total_bytes / files);
  const std::time_t then = std::time(nullptr) - 3600;
  const std::array<timespec, 2> times{timespec{then, 0}, timespec{then, 0}};
  for (std::size_t file = 0; file < files; ++file) {
    const fs::path directory =
        path() / fmt::format("d{}", file / 1000) / fmt::format("{}", file / 50);
    fs::create_directories(directory);
    const std::size_t size = std::min(average / 10 + dice() % (2 * average), text.size() / 2);
    const fs::path name = directory / fmt::format("file{}.js", file);
    std::ofstream(name, std::ios::binary)
        .write(text.data() + dice() % (text.size() / 2), static_cast<std::streamsize>(size));
    if (::utimensat(AT_FDCWD, name.c_str(), times.data(), 0) != 0)
      throw system_error(errno, "utimensat " + name.string());
    size_bytes_ += size;
  }
}

void copy_by_cp(const fs::path& from, const fs::path& to) {
  std::string program = "cp", flag = "-r", source = from.string(), target = to.string();
  std::array<char*, 5> arguments{program.data(), flag.data(), source.data(), target.data(),
                                 nullptr};
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, "cp", nullptr, nullptr, arguments.data(), environ);
  if (error != 0) throw system_error(error, "start cp");
  int status = 0;
  if (::waitpid(child, &status, 0) != child || status != 0)
    throw Error(Errc::unavailable, fmt::format("cp -r {} {} did not succeed", source, target));
}

}  // namespace kiln::bench
