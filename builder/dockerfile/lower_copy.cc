// COPY and ADD: files of the context, of a stage, of an image, and here-documents.
#include <algorithm>

#include "builder/dockerfile/chmod.h"
#include "builder/dockerfile/flags.h"
#include "builder/dockerfile/ignored_source.h"
#include "builder/dockerfile/lower_add.h"
#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/stage_builder.h"
#include "builder/dockerfile/text.h"

namespace kiln::dockerfile {

namespace {

/// A path of the source, beneath its root: ".." does not lead out of it.
std::string source_path(const std::string& path) {
  const std::string clean = clean_path("/" + path);
  return clean == "/" ? "." : clean.substr(1);
}

/// Sources that one action copies: paths of the origin, or one of the network.
struct SourceGroup {
  std::vector<std::string> paths;
  std::optional<RemoteSource> remote;
};

struct Names {
  std::string history;  ///< words after COPY or ADD
  std::vector<SourceGroup> groups;

  void add_path(std::string path) {
    if (groups.empty() || groups.back().remote) groups.emplace_back();
    groups.back().paths.push_back(std::move(path));
  }
};

void lint_ignored(StageBuilder& builder,
                  const Copy& copy,
                  const std::string& source,
                  std::size_t offset) {
  if (!is_ignored_source(builder.context().ignored, builder.options().context_ignore, source)) {
    return;
  }
  builder.warn("CopyIgnoredFile",
               fmt::format("Attempting to {} file \"{}\" that is excluded by .dockerignore",
                           copy.is_add ? "Add" : "Copy", source),
               offset);
}

/// What COPY --parents takes: "PLACE/./PATTERN", where PLACE is "" without a pivot.
std::string source_with_parents(const std::string& source) {
  const std::size_t pivot = source.find("/./");
  const bool has_pivot = pivot != std::string::npos;
  const std::string place = has_pivot ? clean_path("/" + source.substr(0, pivot)) : "/";
  const std::string pattern = clean_path("/" + (has_pivot ? source.substr(pivot + 3) : source));
  return fmt::format("{}/./{}", place.substr(1), pattern.substr(1));
}

Names expand_sources(StageBuilder& builder, const Copy& copy, bool keep_parents) {
  Names names;
  const bool from_context = builder.step().origins[0].kind == Origin::Kind::context;
  const std::string checksum = builder.expand_flag("checksum");
  for (const Token& token : copy.sources) {
    const std::string source = builder.expand_word(token);
    names.history += " " + source;
    if (auto remote = remote_source(builder, copy, source, checksum, token.offset)) {
      names.groups.push_back({{}, std::move(remote)});
      continue;
    }
    const std::string path = source_path(source);
    names.add_path(keep_parents ? source_with_parents(source) : path);
    if (from_context) lint_ignored(builder, copy, path, token.offset);
  }
  if (!checksum.empty()) {
    const bool is_remote = !names.groups.empty() && names.groups.front().remote;
    check_checksum(builder.instruction(), copy.sources.size(), is_remote);
  }
  for (const Heredoc& document : copy.documents)
    names.history += " <<" + document.name;
  return names;
}

/// What all the actions of one instruction have in common.
struct Attributes {
  std::string chown;
  std::string chmod;
  std::optional<graph::ModeChange> mode;  ///< of chmod
  std::vector<std::string> exclude;
  bool keep_parents = false;
  bool link = false;
  std::string destination;  ///< absolute
};

/// True when --chown names a user or group whom only /etc/passwd or /etc/group knows.
bool needs_names(const std::string& chown) {
  return std::ranges::any_of(split(chown, ':'), [](std::string_view part) {
    const bool number =
        !part.empty() && std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
    return !part.empty() && !number && part != "root";
  });
}

/// Directories that a copy makes take its --chmod. In a layer of its own those are all on the way,
/// /usr and /usr/bin too, and they would take it on top of every base: there they stay as they
/// usually are. (BuildKit has no --link where --chmod is given.)
constexpr std::uint32_t kLinkedDirectoryMode = 0755;

Attributes read_attributes(StageBuilder& builder) {
  const Instruction& instruction = builder.instruction();
  Attributes attributes;
  attributes.chown = builder.expand_flag("chown");
  attributes.chmod = builder.expand_flag("chmod");
  if (!attributes.chmod.empty()) {
    try {
      attributes.mode = parse_chmod(attributes.chmod);
    } catch (Mistake& mistake) {
      mistake.set_offset(instruction.flag("chmod")->offset);
      throw;
    }
  }
  for (const Flag& flag : instruction.flags) {
    if (flag.name == "exclude") attributes.exclude.push_back(*flag.value);
  }
  attributes.keep_parents = is_set(instruction, "parents", false);
  // What BuildKit drops --link for silently is dropped where it could not be done.
  attributes.link = is_set(instruction, "link", false) &&
                    (attributes.chmod.empty() || !needs_names(attributes.chown));
  return attributes;
}

void check_owner(StageBuilder& builder, const Attributes& attributes) {
  if (!needs_names(attributes.chown)) return;
  const std::size_t offset = builder.instruction().flag("chown")->offset;
  if (attributes.link) {
    throw Mistake(fmt::format("--chown={} names a user or group, but with --link the layer is made "
                              "without the base image and its /etc/passwd",
                              attributes.chown),
                  "give numbers, as in --chown=1000:1000, or leave --link out")
        .at(offset);
  }
  if (graph::is_scratch(builder.context().graph[builder.state().file_system])) {
    throw Mistake(fmt::format("--chown={} names a user or group, but the stage is still empty and "
                              "has no /etc/passwd",
                              attributes.chown),
                  "give numbers, as in --chown=1000:1000")
        .at(offset);
  }
}

graph::CopyAction copy_action(StageBuilder& builder,
                              const Copy& copy,
                              const Attributes& attributes,
                              const SourceGroup& group,
                              std::size_t input) {
  graph::CopyAction action;
  action.input = input;
  action.sources = group.remote ? std::vector{group.remote->path} : group.paths;
  action.exclude = attributes.exclude;
  action.keep_parents = attributes.keep_parents;
  action.destination = attributes.destination;
  if (!attributes.chown.empty()) action.owner = attributes.chown;
  action.mode = attributes.chmod;
  if (attributes.link) action.made_directory_mode = kLinkedDirectoryMode;
  // What comes from the network is unpacked only on demand, a repository never.
  action.unpack_archives = copy.is_add && !(group.remote && group.remote->is_repository) &&
                           is_set(builder.instruction(), "unpack", !group.remote);
  return action;
}

graph::MkfileAction document_action(StageBuilder& builder,
                                    const Heredoc& document,
                                    const Attributes& attributes) {
  graph::MkfileAction action;
  action.path = attributes.destination;
  action.name_in_directory = document.name;
  action.content = body_of(document);
  if (document.expand) action.content = builder.expand_body(action.content);
  if (attributes.mode) {
    action.mode = attributes.mode->apply(action.mode, false);
    if (!attributes.link) action.parent_mode = attributes.mode->made_directory_mode();
  }
  if (!attributes.chown.empty()) action.owner = attributes.chown;
  return action;
}

/// Adds the step; with --link it works on nothing, and what it makes is laid on the stage.
void add_copy(StageBuilder& builder,
              graph::FileOp op,
              std::vector<graph::VertexId> inputs,
              std::string name,
              bool link) {
  graph::VertexId& stage = builder.state().file_system;
  const graph::VertexId base = stage;
  if (!link || graph::is_scratch(builder.context().graph[base])) {
    builder.add_step(std::move(op), std::move(inputs), std::move(name));
    return;
  }
  stage = builder.context().scratch_vertex(builder.stage().platform);
  const graph::VertexId layer = builder.add_step(std::move(op), std::move(inputs), std::move(name));
  stage = base;
  builder.add_step(graph::MergeOp{}, {layer}, "");
}

}  // namespace

void lower_copy(StageBuilder& builder, const Copy& copy) {
  Attributes attributes = read_attributes(builder);
  check_owner(builder, attributes);
  Names names = expand_sources(builder, copy, attributes.keep_parents);
  const std::string written = builder.expand_word(copy.destination);
  attributes.destination = builder.absolute(written);

  std::string name = builder.step_name({.escape = builder.context().ast.escape});
  graph::FileOp op;
  // A linked layer knows nothing of the base image, nor its date.
  op.made_time =
      attributes.link ? builder.context().plan.source_date_epoch.value_or(0) : builder.made_time();
  op.copied_time = builder.context().plan.source_date_epoch;
  std::vector<graph::VertexId> inputs;
  for (const SourceGroup& group : names.groups) {
    graph::CopyAction action = copy_action(builder, copy, attributes, group, inputs.size() + 1);
    inputs.push_back(
        group.remote ? builder.add_helper(group.remote->op, name)
                     : origin_vertex(builder, builder.step().origins[0], "copy",
                                     {action.sources, action.exclude, action.keep_parents, false}));
    op.actions.emplace_back(std::move(action));
  }
  for (const Heredoc& document : copy.documents)
    op.actions.emplace_back(document_action(builder, document, attributes));

  std::string history = copy.is_add ? "ADD" : "COPY";
  if (attributes.keep_parents) history += " --parents";
  if (!attributes.chown.empty()) history += " --chown=" + attributes.chown;
  if (!attributes.chmod.empty()) history += " --chmod=" + attributes.chmod;
  add_copy(builder, std::move(op), std::move(inputs), std::move(name), attributes.link);
  builder.add_layer_history(history + names.history + " " + written + " # buildkit");
}

}  // namespace kiln::dockerfile
