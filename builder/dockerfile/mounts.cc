#include "builder/dockerfile/mounts.h"

#include <algorithm>
#include <array>
#include <utility>

#include "builder/dockerfile/go_text.h"
#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/numbers.h"
#include "builder/dockerfile/suggest.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

using Sharing = graph::CacheMount::Sharing;

constexpr std::array<std::pair<std::string_view, MountType>, 5> kTypes = {
    {{"bind", MountType::bind},
     {"cache", MountType::cache},
     {"tmpfs", MountType::tmpfs},
     {"secret", MountType::secret},
     {"ssh", MountType::ssh}}};
constexpr std::array<std::pair<std::string_view, Sharing>, 3> kSharing = {
    {{"shared", Sharing::shared}, {"private", Sharing::isolated}, {"locked", Sharing::locked}}};
const std::vector<std::string> kKeys = {
    "type",     "from", "source", "src",       "target", "dst",     "destination",
    "readonly", "ro",   "rw",     "readwrite", "id",     "sharing", "required",
    "size",     "mode", "uid",    "gid",       "env"};

std::string_view name_of(MountType type) {
  return std::ranges::find(kTypes, type, &std::pair<std::string_view, MountType>::second)->first;
}

/// The value of the table's entry named `text`, which is lower case there.
template <class Table>
auto choose(const Table& table, const std::string& text, std::string_view what) {
  const std::string folded = lower(text);
  std::vector<std::string> names;
  for (const auto& [name, value] : table) {
    if (name == folded) return value;
    names.emplace_back(name);
  }
  std::string hint = did_you_mean(text, names);
  if (hint.empty()) hint = "it is one of " + join(names, ", ");
  throw Mistake(fmt::format("unsupported {} \"{}\"", what, text), std::move(hint));
}

/// The fields of one line of CSV, quotes removed. source: RFC 4180
std::vector<std::string> split_csv(std::string_view text) {
  const auto broken = [] {
    return Mistake("failed to parse csv mounts: quotes do not match",
                   "quote a whole key=value, and write a quote inside it twice");
  };
  std::vector<std::string> fields(1);
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == ',') {
      fields.emplace_back();
    } else if (text[at] != '"') {
      fields.back() += text[at];
    } else {
      const bool begins = fields.back().empty() && (at == 0 || text[at - 1] == ',');
      if (!begins) throw broken();
      for (++at;; ++at) {
        if (at >= text.size()) throw broken();
        if (text[at] != '"') {
          fields.back() += text[at];
        } else if (text.substr(at + 1).starts_with('"')) {
          fields.back() += text[at++];
        } else {
          break;
        }
      }
      if (at + 1 < text.size() && text[at + 1] != ',') throw broken();
    }
  }
  return fields;
}

class Reader {
 public:
  explicit Reader(const ExpandValue& expand) : expand_(expand) {}

  MountSpec run(const MountFlag& flag) {
    spec_.target_offset = flag.offset;
    for (const MountField& field : flag.fields) {
      try {
        read(field);
      } catch (Mistake& mistake) {
        mistake.set_offset(field.offset);
        throw;
      }
    }
    try {
      check_whole();
    } catch (Mistake& mistake) {
      mistake.set_offset(flag.offset);
      throw;
    }
    return std::move(spec_);
  }

 private:
  void read(const MountField& field) {
    if (!field.value) {
      read_bare(field.key);
      return;
    }
    const std::string value = expand_(*field.value, field.offset);
    if (!read_place(field, value) && !read_choice(field.key, value) &&
        !read_attribute(field, value)) {
      throw Mistake(fmt::format("unexpected key '{}' in '{}={}'", field.key, field.key, value),
                    did_you_mean(field.key, kKeys));
    }
  }

  void read_bare(const std::string& key) {
    if (key == "readonly" || key == "ro") {
      read_only_ = true;
    } else if (key == "readwrite" || key == "rw") {
      read_only_ = false;
    } else if (key == "required") {
      only_for({MountType::secret, MountType::ssh}, key);
      spec_.required = true;
    } else {
      const bool known = std::ranges::find(kKeys, key) != kKeys.end();
      throw Mistake(fmt::format("invalid field '{}' must be a key=value pair", key),
                    known ? fmt::format("write {}=VALUE", key) : did_you_mean(key, kKeys));
    }
  }

  bool read_place(const MountField& field, const std::string& value) {
    const std::string& key = field.key;
    if (key == "from") {
      has_from_ = !value.empty();
    } else if (key == "source" || key == "src") {
      spec_.source = value;
    } else if (key == "target" || key == "dst" || key == "destination") {
      spec_.target = value;
      spec_.target_offset = field.offset;
    } else if (key == "id") {
      spec_.id = value;
    } else if (key == "env") {
      spec_.variable = value;
    } else {
      return false;
    }
    return true;
  }

  bool read_choice(const std::string& key, const std::string& value) {
    if (key == "type") {
      spec_.type = choose(kTypes, value, "mount type");
    } else if (key == "sharing") {
      spec_.sharing = choose(kSharing, value, "sharing value");
    } else if (key == "readonly" || key == "ro") {
      read_only_ = truth(key, value);
    } else if (key == "readwrite" || key == "rw") {
      read_only_ = !truth(key, value);
    } else if (key == "required") {
      only_for({MountType::secret, MountType::ssh}, key);
      spec_.required = truth(key, value);
    } else {
      return false;
    }
    return true;
  }

  bool read_attribute(const MountField& field, const std::string& value) {
    const std::string& key = field.key;
    const auto number = [&](int base, std::string_view hint) {
      const auto result = parse_unsigned(value, base);
      if (!result)
        throw Mistake(fmt::format("invalid value {} for {}", value, key), std::string(hint));
      return *result;
    };
    if (key == "size") {
      only_for({MountType::tmpfs}, key);
      const auto bytes = parse_size(value);
      if (!bytes) {
        throw Mistake(fmt::format("invalid value for size: {}", value),
                      "write a number with a unit, such as 64m or 1g");
      }
      spec_.size_bytes = *bytes;
    } else if (key == "mode") {
      spec_.mode = number(8, "write octal digits, such as 0755");
      mode_offset_ = field.offset;
    } else if (key == "uid") {
      spec_.uid = number(10, "write a number: names of users are not known here");
      uid_offset_ = field.offset;
    } else if (key == "gid") {
      spec_.gid = number(10, "write a number: names of groups are not known here");
      gid_offset_ = field.offset;
    } else {
      return false;
    }
    return true;
  }

  static bool truth(const std::string& key, const std::string& value) {
    const auto result = parse_bool(value);
    if (!result) {
      throw Mistake(fmt::format("invalid value for {}: {}", key, value), "write true or false");
    }
    return *result;
  }

  void only_for(std::initializer_list<MountType> types, const std::string& key) const {
    if (std::ranges::find(types, spec_.type) != types.end()) return;
    std::vector<std::string> names;
    for (const MountType type : types)
      names.push_back(fmt::format("type={}", name_of(type)));
    throw Mistake(
        fmt::format("unexpected key '{}' for mount type '{}'", key, name_of(spec_.type)),
        fmt::format("{} is for {}, which has to stand before it", key, join(names, " and ")));
  }

  void check_whole() {
    const MountType type = spec_.type;
    const bool has_owner =
        type == MountType::cache || type == MountType::secret || type == MountType::ssh;
    const auto refuse = [&](std::string_view key, std::size_t offset) {
      throw Mistake(fmt::format("{} not allowed for \"{}\" type mounts", key, name_of(type)))
          .at(offset);
    };
    if (!has_owner && spec_.mode) refuse("mode", mode_offset_);
    if (!has_owner && spec_.uid) refuse("uid", uid_offset_);
    if (!has_owner && spec_.gid) refuse("gid", gid_offset_);
    const bool is_writable = type == MountType::cache || type == MountType::tmpfs;
    spec_.read_only = read_only_.value_or(!is_writable);
    if (type == MountType::secret) check_secret();
    if (spec_.sharing && type != MountType::cache)
      throw Mistake(fmt::format("invalid cache sharing set for {} mount", name_of(type)));
    if (type == MountType::ssh && !spec_.source.empty())
      throw Mistake("ssh does not support source");
  }

  void check_secret() const {
    if (has_from_) throw Mistake("secret mount should not have a from");
    if (spec_.sharing) throw Mistake("secret mount should not define sharing");
    if (spec_.source.empty() && spec_.target.empty() && spec_.id.empty()) {
      throw Mistake("invalid secret mount. one of source, target required",
                    "name the secret with id=NAME");
    }
    if (!spec_.source.empty() && !spec_.id.empty())
      throw Mistake("both source and id can't be set", "source is another name of id");
  }

  const ExpandValue& expand_;
  MountSpec spec_;
  std::optional<bool> read_only_;
  bool has_from_ = false;
  std::size_t mode_offset_ = 0;
  std::size_t uid_offset_ = 0;
  std::size_t gid_offset_ = 0;
};

/// `from` decides what is built, before any variable has a value.
void check_from(const MountField& field) {
  if (field.key != "from" || !field.value) return;
  const std::size_t dollar = field.value->find('$');
  if (dollar == std::string::npos || dollar + 1 == field.value->size()) return;
  throw Mistake("'from' doesn't support variable expansion, define alias stage instead",
                fmt::format("write FROM {} AS NAME, and from=NAME here", *field.value))
      .at(field.offset);
}

MountFlag parse_mount(const Instruction& instruction, const Flag& flag) {
  MountFlag mount{{}, flag.offset};
  // The flag as written is a little longer than its value: quotes and escapes were taken away.
  const std::string_view written =
      std::string_view(instruction.text)
          .substr(0, flag.offset + 2 * flag.value->size() + flag.name.size() + 3);
  std::size_t at = flag.offset;
  bool lost = false;
  std::vector<std::string> texts;
  try {
    texts = split_csv(*flag.value);
  } catch (Mistake& mistake) {
    mistake.set_offset(flag.offset);
    throw;
  }
  for (const std::string& text : texts) {
    // From a field on that is not found as it is, the flag's own place is near enough.
    const std::size_t found = lost ? std::string::npos : written.find(text, at);
    lost = found == std::string::npos;
    if (!lost) at = found;
    const std::size_t equals = std::min(text.find('='), text.size());
    MountField field{lower(text.substr(0, equals)), std::nullopt, lost ? flag.offset : found};
    if (equals < text.size()) field.value = text.substr(equals + 1);
    check_from(field);
    if (!lost) at += text.size();
    mount.fields.push_back(std::move(field));
  }
  return mount;
}

}  // namespace

std::vector<MountFlag> parse_mounts(const Instruction& instruction) {
  std::vector<MountFlag> mounts;
  for (const Flag& flag : instruction.flags) {
    if (flag.name == "mount") mounts.push_back(parse_mount(instruction, flag));
  }
  return mounts;
}

MountSpec read_mount(const MountFlag& flag, const ExpandValue& expand) {
  return Reader(expand).run(flag);
}

}  // namespace kiln::dockerfile
