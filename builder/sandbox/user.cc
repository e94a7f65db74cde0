#include "builder/sandbox/user.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <functional>
#include <optional>

#include "builder/os/file.h"
#include "builder/sandbox/contains.h"
#include "proto/error.h"

namespace kiln::sandbox {

namespace {

constexpr std::size_t kMaxFileBytes = 16 * 1024 * 1024;
/// source: moby/sys/user: ids above 2^31-1 are refused.
constexpr std::uint32_t kMaxId = 0x7fffffff;

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

/// nullopt when the text is not a number; throws when it is one that no id can have.
std::optional<std::uint32_t> parse_id(std::string_view text) {
  if (text.empty() || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; }))
    return std::nullopt;
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id > kMaxId) {
    throw Error(Errc::invalid_input, "{}: not a user or group id: over {}", text, kMaxId);
  }
  return id;
}

/// The file's text, "" when the image has none. An image may put anything in its place: only a
/// regular file is read, and opening never waits.
std::string read_database(const os::Dir& root, std::string_view name) {
  const auto fd = root.try_open_at(name, O_RDONLY | O_NONBLOCK | O_NOCTTY, os::Links::in_root);
  if (!fd) return {};
  struct stat status{};
  if (::fstat(fd->get(), &status) != 0) throw system_error(errno, fmt::format("stat /{}", name));
  if (!S_ISREG(status.st_mode)) {
    throw Error(Errc::invalid_input, "/{} of the image is not a regular file", name);
  }
  return os::read_all(fd->get(), fmt::format("/{} of the image", name), kMaxFileBytes);
}

struct PasswdEntry {
  std::string name;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::string home;
};

struct GroupEntry {
  std::string name;
  std::uint32_t gid = 0;
  std::vector<std::string> members;
};

/// A damaged number counts as 0 in moby's parser; such a line is left out here, so that nobody
/// becomes root by a typing error.
std::optional<std::uint32_t> lenient_id(std::string_view text) {
  std::uint32_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return id;
}

std::optional<PasswdEntry> find_passwd(const os::Dir& root,
                                       const std::function<bool(const PasswdEntry&)>& matches) {
  const std::string text = read_database(root, "etc/passwd");
  for (const std::string_view line : split(text, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 4) continue;
    const auto uid = lenient_id(fields[2]);
    const auto gid = lenient_id(fields[3]);
    if (!uid || !gid) continue;
    PasswdEntry entry{std::string(fields[0]), *uid, *gid,
                      std::string(fields.size() > 5 ? fields[5] : "")};
    if (matches(entry)) return entry;
  }
  return std::nullopt;
}

std::vector<GroupEntry> find_groups(const os::Dir& root,
                                    const std::function<bool(const GroupEntry&)>& matches) {
  std::vector<GroupEntry> found;
  const std::string text = read_database(root, "etc/group");
  for (const std::string_view line : split(text, '\n')) {
    const auto fields = split(line, ':');
    if (fields.size() < 3) continue;
    const auto gid = lenient_id(fields[2]);
    if (!gid) continue;
    GroupEntry entry{std::string(fields[0]), *gid, {}};
    if (fields.size() > 3) {
      for (const std::string_view member : split(fields[3], ','))
        entry.members.emplace_back(member);
    }
    if (matches(entry)) found.push_back(std::move(entry));
  }
  return found;
}

std::optional<std::uint32_t> find_group(const os::Dir& root, std::string_view text) {
  if (const auto id = parse_id(text)) return id;
  const auto groups = find_groups(root, [&](const GroupEntry& g) { return g.name == text; });
  if (groups.empty()) return std::nullopt;
  return groups.front().gid;
}

struct Parts {
  std::string_view user;
  std::string_view group;
};

Parts split_user(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {text, {}};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

std::optional<PasswdEntry> find_user(const os::Dir& root,
                                     std::string_view name,
                                     std::optional<std::uint32_t> id) {
  return find_passwd(
      root, [&](const PasswdEntry& entry) { return id ? entry.uid == *id : entry.name == name; });
}

}  // namespace

User resolve_user(const os::Dir& root, std::string_view text) {
  const auto [user_text, group_text] = split_user(text);
  const std::optional<std::uint32_t> id =
      user_text.empty() ? std::optional<std::uint32_t>(0) : parse_id(user_text);
  const auto entry = find_user(root, user_text, id);
  if (!entry && !id) {
    throw Error(Errc::not_found, "user {}: no such entry in /etc/passwd of the image", user_text);
  }

  User user;
  user.uid = entry ? entry->uid : *id;
  user.gid = entry ? entry->gid : 0;
  if (entry && !entry->home.empty()) user.home = entry->home;
  if (!group_text.empty()) {
    // An explicit group drops the supplementary ones, as moby has it.
    const auto group = find_group(root, group_text);
    if (!group) {
      throw Error(Errc::not_found, "group {}: no such entry in /etc/group of the image",
                  group_text);
    }
    user.gid = *group;
    return user;
  }
  if (!entry) return user;
  for (const GroupEntry& group :
       find_groups(root, [&](const GroupEntry& g) { return contains(g.members, entry->name); })) {
    if (group.gid != user.gid && !contains(user.groups, group.gid))
      user.groups.push_back(group.gid);
  }
  return user;
}

Owner resolve_owner(const os::Dir& root, std::string_view text) {
  const auto [user_text, group_text] = split_user(text);
  const auto id_of = [](std::string_view name) {
    return name == "root" ? std::optional<std::uint32_t>(0) : parse_id(name);
  };
  Owner owner;
  if (const auto id = id_of(user_text)) {
    owner.uid = owner.gid = *id;
  } else if (const auto entry = find_user(root, user_text, std::nullopt)) {
    owner.uid = entry->uid;
    owner.gid = entry->gid;
  } else if (!user_text.empty()) {
    owner.unknown.push_back(fmt::format(
        "user {}: no such entry in /etc/passwd of the image; root becomes the owner", user_text));
  }
  if (group_text.empty()) return owner;
  if (const auto id = group_text == "root" ? id_of(group_text) : find_group(root, group_text)) {
    owner.gid = *id;
  } else {
    owner.unknown.push_back(
        fmt::format("group {}: no such entry in /etc/group of the image; the group becomes {}",
                    group_text, owner.gid));
  }
  return owner;
}

}  // namespace kiln::sandbox
