#include "builder/dockerfile/lower_mounts.h"

#include <algorithm>

#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/mounts.h"
#include "builder/dockerfile/stage_builder.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

constexpr std::uint32_t kCacheModeBits = 0777;  // source: BuildKit client/llb/fileop.go, mkdir
constexpr std::string_view kSshSocket = "SSH_AUTH_SOCK";

/// source: Go path.Base
std::string base_name(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/'))
    path.remove_suffix(1);
  if (path.size() > 1) path = path.substr(path.rfind('/') + 1);
  return path.empty() ? "." : std::string(path);
}

class MountLowering {
 public:
  MountLowering(StageBuilder& builder, graph::ExecOp& op, std::vector<graph::VertexId>& inputs)
      : builder_(builder), op_(op), inputs_(inputs) {}

  void add(const MountSpec& spec, const Origin& origin) {
    switch (spec.type) {
      case MountType::bind:
        add_bind(spec, origin);
        break;
      case MountType::cache:
        add_cache(spec, origin);
        break;
      case MountType::tmpfs:
        add_tmpfs(spec);
        break;
      case MountType::secret:
        add_secret(spec);
        break;
      case MountType::ssh:
        add_ssh(spec);
        break;
    }
  }

 private:
  void add_bind(const MountSpec& spec, const Origin& origin) {
    graph::BindMount mount;
    mount.source = clean_path("/" + spec.source);
    mount.target = target_of(spec);
    mount.writable = !spec.read_only;
    mount.input = input_of(origin, mount.source);
    op_.mounts.emplace_back(std::move(mount));
  }

  void add_tmpfs(const MountSpec& spec) {
    if (clean_path("/" + spec.source) != "/") {
      throw Mistake("a tmpfs mount has no source", "it is always empty at first")
          .at(spec.target_offset);
    }
    op_.mounts.emplace_back(graph::TmpfsMount{target_of(spec), spec.size_bytes, spec.read_only});
  }

  void add_cache(const MountSpec& spec, const Origin& origin) {
    graph::CacheMount mount;
    const auto& arguments = builder_.options().build_args;
    const auto space = arguments.find("BUILDKIT_CACHE_MOUNT_NS");
    mount.id = (space == arguments.end() ? "" : space->second) + "/" +
               (spec.id.empty() ? clean_path(spec.target) : spec.id);
    mount.target = target_of(spec);
    mount.sharing = spec.sharing.value_or(graph::CacheMount::Sharing::shared);
    mount.source = clean_path("/" + spec.source);
    mount.read_only = spec.read_only;
    mount.mode = spec.mode.value_or(0755) & kCacheModeBits;
    mount.uid = spec.uid.value_or(0);
    mount.gid = spec.gid.value_or(0);
    const bool has_from = origin.kind != Origin::Kind::context;
    if (!has_from && mount.source != "/") {
      throw Mistake(fmt::format("cache mount has no \"{}\" to begin with", mount.source),
                    "source is a path of the stage or image that from= names")
          .at(spec.target_offset);
    }
    // source: BuildKit convert_runmount.go: a directory of a given owner or mode begins empty.
    const bool is_own = mount.source == "/" && (spec.mode || spec.uid || spec.gid);
    if (has_from && !is_own && origin.kind != Origin::Kind::scratch)
      mount.input = input_of(origin, mount.source);
    op_.mounts.emplace_back(std::move(mount));
  }

  /// source: BuildKit convert_secrets.go
  void add_secret(const MountSpec& spec) {
    graph::SecretMount mount;
    mount.id = spec.source.empty() ? spec.id : spec.source;
    if (mount.id.empty()) mount.id = base_name(spec.target);
    if (!spec.target.empty()) {
      mount.target = clean_path("/" + spec.target);
    } else if (!spec.variable) {
      mount.target = "/run/secrets/" + base_name(mount.id);
    }
    if (spec.variable) mount.variable = spec.variable->empty() ? mount.id : *spec.variable;
    mount.required = spec.required;
    mount.mode = spec.mode.value_or(0400);
    mount.uid = spec.uid.value_or(0);
    mount.gid = spec.gid.value_or(0);
    op_.mounts.emplace_back(std::move(mount));
  }

  /// source: BuildKit convert_ssh.go, client/llb/exec.go
  void add_ssh(const MountSpec& spec) {
    graph::SshMount mount;
    if (!spec.id.empty()) mount.id = spec.id;
    mount.target = spec.target.empty() ? fmt::format("/run/buildkit/ssh_agent.{}", ssh_mounts_)
                                       : clean_path("/" + spec.target);
    mount.required = spec.required;
    mount.mode = spec.mode.value_or(0600);
    mount.uid = spec.uid.value_or(0);
    mount.gid = spec.gid.value_or(0);
    if (ssh_mounts_++ == 0 && !builder_.state().environment.find(kSshSocket))
      op_.env.push_back(fmt::format("{}={}", kSshSocket, mount.target));
    op_.mounts.emplace_back(std::move(mount));
  }

  [[nodiscard]] std::string target_of(const MountSpec& spec) const {
    const std::string target = clean_path(builder_.absolute(spec.target));
    if (target != "/") return target;
    throw Mistake(
        fmt::format("invalid mount target \"{}\"", spec.target.empty() ? "/" : spec.target),
        spec.target.empty() ? "say where with target=PATH"
                            : "the root of the file system cannot be mounted over")
        .at(spec.target_offset);
  }

  /// The index of the vertex's input that has `source`; the same one for the same vertex.
  std::size_t input_of(const Origin& origin, const std::string& source) {
    const graph::VertexId vertex = origin_vertex(
        builder_, origin, "mount", {{source == "/" ? "." : source.substr(1)}, {}, false, true});
    const auto known = std::ranges::find(inputs_, vertex);
    const auto index = static_cast<std::size_t>(known - inputs_.begin());
    if (known == inputs_.end()) inputs_.push_back(vertex);
    return index + 1;  // input 0 is the file system
  }

  StageBuilder& builder_;
  graph::ExecOp& op_;
  std::vector<graph::VertexId>& inputs_;
  int ssh_mounts_ = 0;
};

}  // namespace

void lower_mounts(StageBuilder& builder,
                  const Run& run,
                  graph::ExecOp& op,
                  std::vector<graph::VertexId>& inputs) {
  const ExpandValue expand = [&](const std::string& value, std::size_t offset) {
    return builder.expand_word(value, offset);
  };
  MountLowering lowering(builder, op, inputs);
  for (std::size_t i = 0; i < run.mounts.size(); ++i)
    lowering.add(read_mount(run.mounts[i], expand), builder.step().origins[i]);
}

Environment shown_variables(const graph::ExecOp& op, Environment environment) {
  for (const graph::ExecMount& mount : op.mounts) {
    const auto* secret = std::get_if<graph::SecretMount>(&mount);
    if (secret && !secret->variable.empty()) environment.set(secret->variable, "****");
  }
  return environment;
}

}  // namespace kiln::dockerfile
