#include "cli/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "cli/errors.h"

namespace kiln::cli {

namespace fs = std::filesystem;

namespace {

/// The mode that open(2) would have given a new file. One thread: the mask is put back at once.
mode_t new_file_mode() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return 0666 & ~mask;
}

}  // namespace

OutputFile OutputFile::file(const std::string& path) {
  if (path == "-") {
    if (::isatty(STDOUT_FILENO) == 1)
      throw UsageError("the output would go to the terminal; redirect stdout, or name a file");
    Fd fd(::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3));
    if (!fd) throw system_error(errno, "duplicate stdout");
    return OutputFile(std::move(fd));
  }
  std::error_code ignored;  // one that does not exist has no status
  const fs::file_status status = fs::status(path, ignored);
  if (fs::is_directory(status)) throw system_error(EISDIR, "write " + path);
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) throw system_error(errno, "open " + path);
    return OutputFile(std::move(fd));
  }
  // What a link points to is replaced, not the link.
  const std::string target = fs::exists(status) ? fs::canonical(path).string() : path;
  std::string temporary = target + ".XXXXXX";
  Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd) throw system_error(errno, "create " + path);
  OutputFile output(std::move(fd));
  output.path_ = target;
  output.temporary_ = temporary;
  if (::fchmod(output.descriptor(), new_file_mode()) < 0)
    throw system_error(errno, "chmod " + path);
  return output;
}

OutputFile OutputFile::directory(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw system_error(error.value(), "make the output directory " + path);
  return OutputFile(open_read(path, O_DIRECTORY));
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})) {}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutputFile::commit() {
  if (temporary_.empty()) return;
  if (::rename(temporary_.c_str(), path_.c_str()) < 0)
    throw system_error(errno, fmt::format("rename {} to {}", temporary_, path_));
  temporary_.clear();
}

}  // namespace kiln::cli
