#include "daemon/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <memory>

#include "proto/error.h"

namespace kiln::daemon {

namespace {

struct Level {
  LogLevel level;
  std::string_view word;
  spdlog::level::level_enum spdlog_level;
  int priority;  ///< syslog(3), what journald reads from "<N>"
};

constexpr std::array<Level, 5> kLevels{{
    {LogLevel::trace, "trace", spdlog::level::trace, 7},
    {LogLevel::debug, "debug", spdlog::level::debug, 7},
    {LogLevel::info, "info", spdlog::level::info, 6},
    {LogLevel::warn, "warn", spdlog::level::warn, 4},
    {LogLevel::error, "error", spdlog::level::err, 3},
}};

const Level& row(LogLevel level) {
  return kLevels[static_cast<std::size_t>(level)];
}

/// JOURNAL_STREAM is "device:inode" of the stream that systemd connected to the journal.
bool stderr_is_journal() {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat status{};
  if (!stream || ::fstat(STDERR_FILENO, &status) != 0) return false;
  return fmt::format("{}:{}", status.st_dev, status.st_ino) == stream;
}

struct Backend {
  std::shared_ptr<spdlog::logger> logger = spdlog::stderr_logger_mt("kilnd");
  bool journal = stderr_is_journal();

  Backend() { logger->set_pattern(journal ? "%v" : "%Y-%m-%dT%H:%M:%S.%e%z %l %v"); }
};

Backend& backend() {
  static Backend instance;
  return instance;
}

}  // namespace

LogLevel parse_log_level(std::string_view word) {
  for (const Level& level : kLevels) {
    if (level.word == word) return level.level;
  }
  throw Error(Errc::invalid_input, "log level \"{}\" is not one of error, warn, info, debug, trace",
              word);
}

std::string_view to_word(LogLevel level) {
  return row(level).word;
}

void start_logging(LogLevel level) {
  backend().logger->set_level(row(level).spdlog_level);
}

void Log::write(LogLevel level, std::string_view text) const {
  Backend& to = backend();
  if (!to.logger->should_log(row(level).spdlog_level)) return;
  const std::string priority = to.journal ? fmt::format("<{}>", row(level).priority) : "";
  to.logger->log(row(level).spdlog_level, "{}{}{}", priority, prefix_, one_line(text));
}

std::string one_line(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (letter == '\n') {
      line += "\\n";
    } else if (letter == '\t') {
      line += "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      line += fmt::format("\\x{:02x}", byte);
    } else {
      line += letter;
    }
  }
  return line;
}

}  // namespace kiln::daemon
