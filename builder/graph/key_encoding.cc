// Canonical form, version 1. A vertex is a list of parts, each a name and a value:
//
//   key      = sha256( part* ) with "kiln key 1" as the first part's name and an empty value
//   part     = length(name) name length(value) value
//   length   = 8 bytes, little endian
//
// A list field gives one part an element, in order. An optional field that is absent gives none.
// What a LocalSource selects, the content of an HttpSource and the commit of a GitSource are not
// here: who reads them adds them.
#include "builder/graph/key_encoding.h"

#include <fmt/format.h>

#include <array>

namespace kiln::graph {

namespace {

class Parts {
 public:
  void add(std::string name, std::string value) {
    parts_.push_back({std::move(name), std::move(value)});
  }
  void add(std::string name, bool value) { add(std::move(name), value ? "true" : "false"); }
  void add(std::string name, const char* value) { add(std::move(name), std::string(value)); }
  void add(std::string name, std::size_t value) { add(std::move(name), std::to_string(value)); }
  void list(std::string_view name, const std::vector<std::string>& values) {
    for (std::size_t i = 0; i < values.size(); ++i)
      add(fmt::format("{} {}", name, i), values[i]);
  }
  void optional(std::string name, const std::optional<std::string>& value) {
    if (value) add(std::move(name), *value);
  }
  [[nodiscard]] std::vector<KeyPart> take() { return std::move(parts_); }

 private:
  std::vector<KeyPart> parts_;
};

std::string text_of(const Platform& platform) {
  return platform.os_version.empty() ? platform.str() : platform.str() + " " + platform.os_version;
}

std::string text_of(Network network) {
  switch (network) {
    case Network::standard:
      return "standard";
    case Network::host:
      return "host";
    case Network::none:
      return "none";
  }
  return {};
}

void encode(Parts& parts, const CopyAction& action, const std::string& name) {
  parts.add(name, "copy");
  parts.add(name + " input", action.input);
  parts.list(name + " source", action.sources);
  parts.list(name + " exclude", action.exclude);
  parts.add(name + " destination", action.destination);
  parts.optional(name + " owner", action.owner);
  parts.add(name + " mode", action.mode);
  parts.add(name + " unpack archives", action.unpack_archives);
  parts.add(name + " keep parents", action.keep_parents);
  if (action.made_directory_mode)
    parts.add(name + " made directory mode", fmt::format("{:o}", *action.made_directory_mode));
}

void encode(Parts& parts, const MkfileAction& action, const std::string& name) {
  parts.add(name, "mkfile");
  parts.add(name + " path", action.path);
  parts.add(name + " name in directory", action.name_in_directory);
  parts.add(name + " content", action.content);
  parts.add(name + " mode", fmt::format("{:o}", action.mode));
  parts.add(name + " parent mode", fmt::format("{:o}", action.parent_mode));
  parts.optional(name + " owner", action.owner);
}

void encode(Parts& parts, const MkdirAction& action, const std::string& name) {
  parts.add(name, "mkdir");
  parts.add(name + " path", action.path);
  parts.add(name + " mode", fmt::format("{:o}", action.mode));
  parts.optional(name + " owner", action.owner);
}

void encode(Parts& parts, const RemoveAction& action, const std::string& name) {
  parts.add(name, "remove");
  parts.add(name + " path", action.path);
}

void encode(Parts& parts, const SymlinkAction& action, const std::string& name) {
  parts.add(name, "symlink");
  parts.add(name + " target", action.target);
  parts.add(name + " path", action.path);
}

void encode(Parts& parts, const BindMount& mount, const std::string& name) {
  parts.add(name, "bind");
  parts.add(name + " input", mount.input);
  parts.add(name + " source", mount.source);
  parts.add(name + " target", mount.target);
  parts.add(name + " writable", mount.writable);
}

void encode(Parts& parts, const TmpfsMount& mount, const std::string& name) {
  parts.add(name, "tmpfs");
  parts.add(name + " target", mount.target);
  parts.add(name + " size", std::to_string(mount.size_bytes));
  parts.add(name + " read only", mount.read_only);
}

/// Neither the id nor how it is shared: they decide what is in the directory, which is no part of a
/// key.
void encode(Parts& parts, const CacheMount& mount, const std::string& name) {
  parts.add(name, "cache");
  parts.add(name + " target", mount.target);
  parts.add(name + " read only", mount.read_only);
}

void encode(Parts& parts, const SecretMount& mount, const std::string& name) {
  parts.add(name, "secret");
  parts.add(name + " id", mount.id);
  parts.add(name + " target", mount.target);
  parts.add(name + " variable", mount.variable);
  parts.add(name + " required", mount.required);
  parts.add(name + " mode", fmt::format("{:o}", mount.mode));
  parts.add(name + " owner", fmt::format("{}:{}", mount.uid, mount.gid));
}

void encode(Parts& parts, const SshMount& mount, const std::string& name) {
  parts.add(name, "ssh");
  parts.add(name + " id", mount.id);
  parts.add(name + " target", mount.target);
  parts.add(name + " required", mount.required);
  parts.add(name + " mode", fmt::format("{:o}", mount.mode));
  parts.add(name + " owner", fmt::format("{}:{}", mount.uid, mount.gid));
}

void encode(Parts& parts, const ImageSource& source) {
  parts.add("op", "image");
  parts.add("manifest", source.manifest.str());
  parts.add("image platform", text_of(source.platform));
}

void encode(Parts& parts, const LocalSource&) {
  parts.add("op", "local");
}

void encode(Parts& parts, const HttpSource&) {
  parts.add("op", "http");
}

void encode(Parts& parts, const GitSource& source) {
  parts.add("op", "git");
  parts.add("subdir", source.subdir);
  parts.add("keep git dir", source.keep_git_dir);
  parts.add("skip submodules", source.skip_submodules);
  parts.add("commit times", source.commit_times);
}

void encode(Parts& parts, const SourceOp& op, const Platform&) {
  // No vertex platform: the same files are the same source for every platform.
  std::visit([&](const auto& source) { encode(parts, source); }, op);
}

void encode(Parts& parts, const ExecOp& op, const Platform& platform) {
  parts.add("op", "exec");
  parts.add("platform", text_of(platform));
  parts.list("arg", op.args);
  for (const std::string& entry : op.env) {
    const std::size_t equals = entry.find('=');
    const bool split = equals != std::string::npos;
    parts.add("env " + entry.substr(0, equals), split ? entry.substr(equals + 1) : "");
  }
  parts.add("working dir", op.working_dir);
  parts.add("user", op.user);
  parts.add("network", text_of(op.network));
  parts.add("insecure", op.insecure);
  for (std::size_t i = 0; i < op.mounts.size(); ++i) {
    std::visit([&](const auto& mount) { encode(parts, mount, fmt::format("mount {}", i)); },
               op.mounts[i]);
  }
  parts.add("hostname", op.hostname);
}

void encode(Parts& parts, const FileOp& op, const Platform& platform) {
  parts.add("op", "file");
  parts.add("platform", text_of(platform));
  for (std::size_t i = 0; i < op.actions.size(); ++i) {
    std::visit([&](const auto& action) { encode(parts, action, fmt::format("action {}", i)); },
               op.actions[i]);
  }
  parts.add("made time", std::to_string(op.made_time));
  if (op.copied_time) parts.add("copied time", std::to_string(*op.copied_time));
}

void encode(Parts& parts, const MergeOp&, const Platform&) {
  parts.add("op", "merge");
}

void encode(Parts& parts, const DiffOp&, const Platform&) {
  parts.add("op", "diff");
}

void hash_text(Sha256& sha, std::string_view text) {
  std::array<std::byte, 8> length{};
  for (std::size_t i = 0; i < length.size(); ++i)
    length[i] = static_cast<std::byte>(text.size() >> (8 * i) & 0xFFU);
  sha.update(Bytes(length));
  sha.update(text);
}

}  // namespace

std::vector<KeyPart> key_parts(const Vertex& vertex) {
  Parts parts;
  std::visit([&](const auto& op) { encode(parts, op, vertex.platform); }, vertex.op);
  return parts.take();
}

Digest hash_parts(const std::vector<KeyPart>& parts) {
  Sha256 sha;
  hash_text(sha, fmt::format("kiln key {}", kKeyEncodingVersion));
  hash_text(sha, "");
  for (const KeyPart& part : parts) {
    hash_text(sha, part.name);
    hash_text(sha, part.value);
  }
  return sha.finish();
}

}  // namespace kiln::graph
