// COPY and ADD: files of the context, of a stage, of an image, and here-documents.
#include <algorithm>

#include "builder/dockerfile/chmod.h"
#include "builder/dockerfile/flags.h"
#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/stage_builder.h"
#include "builder/dockerfile/text.h"
#include "builder/graph/pattern.h"

namespace kiln::dockerfile {

namespace {

bool is_url(std::string_view source) {
  return source.starts_with("http://") || source.starts_with("https://");
}

/// source: docs.docker.com "Dockerfile reference: ADD", Git repositories.
bool is_git(std::string_view source) {
  if (source.starts_with("git@") || source.starts_with("git://") || source.starts_with("ssh://")) {
    return true;
  }
  if (!is_url(source)) return false;
  const std::string_view path = source.substr(0, source.find_first_of("?#"));
  return path.ends_with(".git") || path.ends_with(".git/");
}

/// A path of the source, beneath its root: ".." does not lead out of it.
std::string source_path(const std::string& path) {
  const std::string clean = clean_path("/" + path);
  return clean == "/" ? "." : clean.substr(1);
}

struct Names {
  std::string history;               ///< words after COPY or ADD
  std::vector<std::string> sources;  ///< beneath the source's root
};

void refuse_remote(const Copy& copy, const std::string& source, std::size_t offset) {
  if (!is_url(source) && !is_git(source)) return;
  const std::string_view kind = is_git(source) ? "git repository" : "URL";
  if (!copy.is_add) {
    throw Mistake(fmt::format("source can't be a {} for COPY: \"{}\"", kind, source), "use ADD")
        .at(offset);
  }
  throw Mistake(fmt::format("ADD of a {} is not supported yet: \"{}\"", kind, source),
                "fetch it in a RUN, or put it into the context")
      .at(offset);
}

/// CopyIgnoredFile: only without negations can it be told from the patterns alone.
void lint_ignored(StageBuilder& builder,
                  const Copy& copy,
                  const std::string& source,
                  std::size_t offset) {
  const graph::PatternList& list = builder.context().ignored;
  if (list.empty()) return;
  const auto takes_all = [](const std::string& pattern) {
    return pattern == "*" || pattern == "**" || pattern == "**/*";
  };
  const bool ignored = source == "."
                           ? std::ranges::any_of(builder.options().context_ignore, takes_all)
                           : list.excludes(source);
  if (!ignored) return;
  builder.warn("CopyIgnoredFile",
               fmt::format("Attempting to {} file \"{}\" that is excluded by .dockerignore",
                           copy.is_add ? "Add" : "Copy", source),
               offset);
}

Names expand_sources(StageBuilder& builder, const Copy& copy) {
  Names names;
  const bool from_context = builder.step().origins[0].kind == Origin::Kind::context;
  for (const Token& token : copy.sources) {
    const std::string source = builder.expand_word(token);
    refuse_remote(copy, source, token.offset);
    names.history += " " + source;
    names.sources.push_back(source_path(source));
    if (from_context) lint_ignored(builder, copy, names.sources.back(), token.offset);
  }
  for (const Heredoc& document : copy.documents)
    names.history += " <<" + document.name;
  return names;
}

void refuse_unsupported(const Instruction& instruction, const Copy& copy) {
  if (is_set(instruction, "parents", false)) {
    throw Mistake("COPY --parents is not supported yet").at(instruction.flag("parents")->offset);
  }
  const Flag* checksum = instruction.flag("checksum");
  if (checksum && !checksum->value->empty() &&
      std::ranges::none_of(copy.sources,
                           [](const Token& t) { return is_url(t.text) || is_git(t.text); })) {
    throw Mistake("checksum requires HTTP(S) or Git sources").at(checksum->offset);
  }
}

/// What all the actions of one instruction have in common.
struct Attributes {
  std::string chown;
  std::string chmod;
  std::string destination;  ///< absolute
  bool into_directory = false;
};

graph::CopyAction copy_action(StageBuilder& builder,
                              const Copy& copy,
                              const Attributes& attributes,
                              std::vector<std::string> sources) {
  graph::CopyAction action;
  action.input = 1;
  action.sources = std::move(sources);
  for (const Flag& flag : builder.instruction().flags) {
    if (flag.name == "exclude") action.exclude.push_back(*flag.value);
  }
  action.destination = attributes.destination;
  if (!attributes.chown.empty()) action.owner = attributes.chown;
  action.mode = attributes.chmod;
  action.unpack_archives = copy.is_add && is_set(builder.instruction(), "unpack", true);
  action.follow_destination_links = !is_set(builder.instruction(), "link", false);
  return action;
}

graph::MkfileAction document_action(StageBuilder& builder,
                                    const Heredoc& document,
                                    const Attributes& attributes) {
  graph::MkfileAction action;
  action.path = attributes.destination;
  if (attributes.into_directory) {
    if (!action.path.ends_with('/')) action.path += '/';
    action.path = clean_path(action.path + document.name);
  } else {
    action.name_in_directory = document.name;
  }
  action.content = body_of(document);
  if (document.expand) action.content = builder.expand_body(action.content);
  if (!attributes.chmod.empty()) action.mode = apply_chmod(attributes.chmod, action.mode);
  if (!attributes.chown.empty()) action.owner = attributes.chown;
  return action;
}

}  // namespace

void lower_copy(StageBuilder& builder, const Copy& copy) {
  const Instruction& instruction = builder.instruction();
  refuse_unsupported(instruction, copy);
  Attributes attributes{builder.expand_flag("chown"), builder.expand_flag("chmod"), "", false};
  if (!attributes.chmod.empty()) {
    try {
      (void)apply_chmod(attributes.chmod, 0);
    } catch (Mistake& mistake) {
      mistake.set_offset(instruction.flag("chmod")->offset);
      throw;
    }
  }
  Names names = expand_sources(builder, copy);
  const std::string written = builder.expand_word(copy.destination);
  attributes.destination = builder.absolute(written);
  const std::size_t count = copy.sources.size() + copy.documents.size();
  attributes.into_directory = count > 1 || attributes.destination.ends_with('/');
  if (count > 1 && !attributes.destination.ends_with('/')) attributes.destination += '/';

  graph::FileOp op;
  op.made_time = builder.made_time();
  std::vector<graph::VertexId> inputs;
  if (!names.sources.empty()) {
    const Origin& origin = builder.step().origins[0];
    inputs.push_back(origin_vertex(builder, origin, "copy", names.sources));
    op.actions.emplace_back(copy_action(builder, copy, attributes, std::move(names.sources)));
  }
  for (const Heredoc& document : copy.documents)
    op.actions.emplace_back(document_action(builder, document, attributes));

  std::string history = copy.is_add ? "ADD" : "COPY";
  if (!attributes.chown.empty()) history += " --chown=" + attributes.chown;
  if (!attributes.chmod.empty()) history += " --chmod=" + attributes.chmod;
  std::string name = builder.step_name({.escape = builder.context().ast.escape});
  builder.add_step(std::move(op), std::move(inputs), std::move(name));
  builder.add_layer_history(history + names.history + " " + written + " # buildkit");
}

}  // namespace kiln::dockerfile
