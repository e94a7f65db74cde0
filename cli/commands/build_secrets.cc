#include "cli/commands/build_secrets.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <map>
#include <set>

#include "cli/commands/csv.h"
#include "cli/errors.h"
#include "proto/limits.h"

namespace kiln::cli {

namespace {

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

struct stat status_of(const Fd& fd, const std::string& path) {
  struct stat status{};
  if (::fstat(fd.get(), &status) < 0) throw system_error(errno, "stat " + path);
  return status;
}

void check_size(std::string_view what, std::size_t size) {
  if (size > kMaxSecretBytes)
    throw Error(Errc::invalid_input, "{} has {} bytes; a secret may have {} KiB", what, size,
                kMaxSecretBytes / 1024);
}

/// A regular file itself; what a pipe says is read here.
Fd open_secret_file(const std::string& path) {
  Fd fd = open_read(path);
  const struct stat status = status_of(fd, path);
  if (S_ISDIR(status.st_mode)) throw Error(Errc::invalid_input, "{} is a directory", path);
  if (S_ISREG(status.st_mode)) {
    check_size(path, static_cast<std::size_t>(status.st_size));
    return fd;
  }
  const std::string content = read_all(fd.get(), path);
  check_size(path, content.size());
  return sealed_file(content);
}

Fd open_secret_variable(const std::string& name, const Environment& environment) {
  const std::optional<std::string> value = environment(name);
  // As docker has it, which does not say so.
  if (!value)
    fmt::print(stderr, "kiln: warning: --secret env={}: it is not set, so the secret is empty\n",
               name);
  check_size("the variable " + name, value.value_or("").size());
  return sealed_file(value.value_or(""));
}

Fd open_secret(const SecretFlag& flag, const Environment& environment) {
  if (!flag.variable.empty()) {
    // As docker has it: a file that is named beside has to be there.
    if (!flag.file.empty()) (void)open_secret_file(flag.file);
    return open_secret_variable(flag.variable, environment);
  }
  if (!flag.file.empty()) return open_secret_file(flag.file);
  if (environment(flag.id)) return open_secret_variable(flag.id, environment);
  try {
    return open_secret_file(flag.id);
  } catch (const Error& error) {
    if (error.code() != Errc::not_found) throw;
    throw Error(Errc::not_found,
                "there is neither a variable nor a file of the name {}; add src=FILE or "
                "env=VARIABLE",
                flag.id);
  }
}

bool is_socket(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) < 0) throw system_error(errno, path);
  return S_ISSOCK(status.st_mode);
}

Fd open_socket(const std::string& path) {
  Fd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));  // NOLINT: open is variadic
  if (!fd) throw system_error(errno, "open " + path);
  return fd;
}

/// The socket of the agent that the flag names, or of one of our own that has its keys.
Fd open_agent(const SshFlag& flag, const Environment& environment, std::vector<KeyAgent>& agents) {
  if (flag.paths.empty()) {
    const std::string socket = environment("SSH_AUTH_SOCK").value_or("");
    if (socket.empty())
      throw Error(
          Errc::not_found,
          "SSH_AUTH_SOCK is not set, so there is no agent; start one (ssh-agent, ssh-add) or "
          "name a private key: --ssh {}=FILE",
          flag.id);
    if (!is_socket(socket))
      throw Error(Errc::invalid_input, "SSH_AUTH_SOCK is {}, which is no socket", socket);
    return open_socket(socket);
  }
  const auto sockets = std::ranges::count_if(flag.paths, is_socket);
  if (sockets == 0) {
    agents.push_back(KeyAgent::start(flag.paths));
    return open_socket(agents.back().socket());
  }
  if (flag.paths.size() > 1)
    throw UsageError("an agent's socket stands alone: neither keys nor another socket beside it");
  return open_socket(flag.paths.front());
}

}  // namespace

SecretFlag parse_secret(const std::string& text) {
  SecretFlag flag;
  std::string type;
  for (const std::string& field : split_csv("--secret", text)) {
    const std::size_t equals = field.find('=');
    if (equals == std::string::npos)
      throw UsageError("--secret \"{}\": \"{}\" is not KEY=VALUE", text, field);
    const std::string key = lower(field.substr(0, equals));
    const std::string value = field.substr(equals + 1);
    if (key == "id") {
      flag.id = value;
    } else if (key == "src" || key == "source") {
      flag.file = value;
    } else if (key == "env") {
      flag.variable = value;
    } else if (key == "type" && (value == "file" || value == "env")) {
      type = value;
    } else if (key == "type") {
      throw UsageError("--secret \"{}\": type \"{}\" is neither file nor env", text, value);
    } else {
      throw UsageError("--secret \"{}\": unknown key \"{}\"; known are id, src, env, type", text,
                       key);
    }
  }
  if (flag.id.empty())
    throw UsageError("--secret \"{}\": the id is missing; write id=ID,src=FILE", text);
  if (type == "env" && flag.variable.empty()) flag.variable = std::exchange(flag.file, "");
  return flag;
}

SshFlag parse_ssh(const std::string& text) {
  SshFlag flag;
  const std::size_t equals = text.find('=');
  if (equals != 0 && !text.empty()) flag.id = text.substr(0, equals);
  if (equals == std::string::npos || equals + 1 == text.size()) return flag;
  for (std::size_t begin = equals + 1; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    flag.paths.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return flag;
}

Lending open_lending(const std::vector<std::string>& secrets,
                     const std::vector<std::string>& ssh,
                     const Environment& environment,
                     BuildRequest& request,
                     std::vector<int>& descriptors) {
  Lending lending;
  const auto lend = [&](std::string role, Fd fd) {
    request.descriptors.push_back(std::move(role));
    descriptors.push_back(fd.get());
    lending.files.push_back(std::move(fd));
  };
  std::map<std::string, Fd> by_id;  // of several with one id docker takes the last
  for (const std::string& text : secrets) {
    const SecretFlag flag = parse_secret(text);
    within(fmt::format("--secret \"{}\"", text),
           [&] { by_id.insert_or_assign(flag.id, open_secret(flag, environment)); });
  }
  for (auto& [id, fd] : by_id)
    lend(fmt::format("{}{}", role::kSecret, id), std::move(fd));
  std::set<std::string> ids;
  for (const std::string& text : ssh) {
    const SshFlag flag = parse_ssh(text);
    if (!ids.insert(flag.id).second)
      throw UsageError("--ssh \"{}\": there is another with the id {}", text, flag.id);
    within(fmt::format("--ssh \"{}\"", text), [&] {
      lend(fmt::format("{}{}", role::kSsh, flag.id), open_agent(flag, environment, lending.agents));
    });
  }
  return lending;
}

}  // namespace kiln::cli
