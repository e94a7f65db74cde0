// A stage while it is lowered: its file system so far, its variables, its image configuration.
//
// lower_*.cc hold the instructions, a group each; they change a StageBuilder and nothing else.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "builder/dockerfile/expand.h"
#include "builder/dockerfile/lint.h"
#include "builder/dockerfile/lower.h"
#include "builder/dockerfile/stages.h"
#include "builder/graph/pattern.h"

namespace kiln::dockerfile {

/// A lowest layer that no history entry is of: the files of a named context.
struct NamelessLayer {
  graph::VertexId vertex = 0;
  std::string description;
};

/// What a stage has become; the next one may begin from it.
struct StageState {
  graph::VertexId file_system = 0;
  Environment environment;  ///< what words and commands see: the image's, and arguments
  std::vector<std::pair<std::string, std::string>> arguments;  ///< ARGs so far, for the history
  ArgumentUses uses;                                           ///< the same, for the outline
  oci::ImageConfig image;
  std::vector<StepHistory> history;
  std::optional<Digest> base_manifest;
  std::optional<std::int64_t> base_created;  ///< seconds
  bool has_workdir = false;                  ///< a WORKDIR stood in the Dockerfile
  std::optional<NamelessLayer> nameless;
};

/// What a step takes of where its files come from, as LocalSource has it; "." is all.
struct Wanted {
  std::vector<std::string> include;
  std::vector<std::string> exclude;  ///< LocalSource::source_exclude
  bool keep_parents = false;
  bool is_literal = false;

  /// The same of a client's directory with its ignore patterns.
  [[nodiscard]] graph::LocalSource of_local(std::string name,
                                            std::vector<std::string> ignore) const {
    return {std::move(name), include, std::move(ignore), exclude, keep_parents, is_literal};
  }
};

/// What all stages share.
struct LoweringContext {
  const Ast& ast;
  const LowerOptions& options;
  const Plan& plan;
  const ResolvedImages& known;
  Linter& linter;
  graph::Graph graph;
  std::vector<StageState> states;                          ///< by stage index
  std::map<std::string, graph::VertexId> images;           ///< by manifest and platform
  std::map<std::string, graph::VertexId> remote_contexts;  ///< by name
  std::optional<graph::VertexId> scratch;
  graph::PatternList ignored;  ///< of the context
  /// Of contexts, by what they take; the ignore file is the same for all of one name.
  using Selection =
      std::tuple<std::string, std::vector<std::string>, std::vector<std::string>, bool, bool>;
  std::map<Selection, graph::VertexId> selections;

  /// The vertex of an image's file system, the same for the same image. Throws Error{internal}
  /// when `need` was not resolved.
  graph::VertexId image_vertex(const ImageNeed& need, const std::string& name);
  graph::VertexId scratch_vertex(const Platform& platform);
  /// The vertex of the same files, however many steps take them: they are listed and hashed once.
  /// `add` makes it when there is none.
  graph::VertexId selected(graph::LocalSource source,
                           const std::function<graph::VertexId(graph::LocalSource)>& add);
  /// The files of a named context that is no image; of a local one just what is wanted.
  graph::VertexId named_vertex(const NamedContext& named, const Wanted& wanted);
};

class StageBuilder {
 public:
  StageBuilder(LoweringContext& context, const Stage& stage);

  /// Lowers all of the stage into context.states.
  void run();

  // For the instructions:
  [[nodiscard]] const Stage& stage() const { return stage_; }
  [[nodiscard]] const LowerOptions& options() const { return context_.options; }
  [[nodiscard]] StageState& state() { return state_; }
  [[nodiscard]] LoweringContext& context() { return context_; }
  [[nodiscard]] const Instruction& instruction() const { return *step_->instruction; }
  [[nodiscard]] const Step& step() const { return *step_; }
  /// The lines of the instruction; those of the stage's FROM for a trigger.
  [[nodiscard]] graph::SourceRange range() const {
    return step_->is_trigger ? stage_.instruction->range : instruction().range;
  }
  [[nodiscard]] std::int64_t made_time() const;

  /// A word with its variables replaced; what is not defined is warned about.
  [[nodiscard]] std::string expand_word(const std::string& word, std::size_t offset);
  [[nodiscard]] std::string expand_word(const Token& token) {
    return expand_word(token.text, token.offset);
  }
  [[nodiscard]] Expansion expand_words(const Token& token);
  /// The body of a here-document: quotes mean nothing.
  [[nodiscard]] std::string expand_body(const std::string& body);
  /// The expanded value of a flag, "" without it.
  [[nodiscard]] std::string expand_flag(std::string_view name);

  /// Adds the vertex of this step. `input` is what it works on besides the file system.
  graph::VertexId add_step(graph::Op op, std::vector<graph::VertexId> inputs, std::string name);
  /// Adds a vertex that prepares something for a step.
  graph::VertexId add_helper(graph::Op op, std::string name);
  /// "[stage 2/5] COPY a b" of this instruction's text with `mode` and the stage's variables, and
  /// `suffix`.
  [[nodiscard]] std::string step_name(const ExpandMode& mode, std::string_view suffix = "") {
    return step_name(mode, suffix, state_.environment);
  }
  [[nodiscard]] std::string step_name(const ExpandMode& mode,
                                      std::string_view suffix,
                                      const Environment& variables);

  void add_history(std::string created_by);
  void add_layer_history(std::string created_by);

  void warn(std::string_view rule,
            std::string message,
            std::optional<std::size_t> offset = std::nullopt);
  /// The word at `path` from the working directory; a trailing slash stays.
  [[nodiscard]] std::string absolute(std::string_view path) const;
  [[nodiscard]] std::vector<std::string> with_shell(const CommandLine& command,
                                                    std::string text) const;

  // Of this stage; a trigger counts as standing in its FROM.
  const Instruction* last_cmd = nullptr;
  const Instruction* last_entrypoint = nullptr;
  const Instruction* last_healthcheck = nullptr;

 private:
  void begin();
  void begin_from_image(const ImageNeed& need);
  void begin_from_context(const NamedContext& named);
  void lower_step();
  void report_undefined(const Expansion& expansion, std::size_t offset);
  [[nodiscard]] std::string prefix();
  [[nodiscard]] bool ignores_cache() const;

  LoweringContext& context_;
  const Stage& stage_;
  const Step* step_ = nullptr;
  StageState state_;
  int step_index_ = 0;
  int step_total_ = 0;
};

/// The vertex that has what a step of the builder takes from `origin`: of a context just what is
/// wanted. `verb` says in messages what the step does.
[[nodiscard]] graph::VertexId origin_vertex(StageBuilder& builder,
                                            const Origin& origin,
                                            std::string_view verb,
                                            const Wanted& wanted);

void lower_run(StageBuilder& builder, const Run& run);
void lower_copy(StageBuilder& builder, const Copy& copy);
void lower_workdir(StageBuilder& builder, const Workdir& workdir);
void lower_arg(StageBuilder& builder, const Arg& arg);
void lower_env(StageBuilder& builder, const Env& env);
void lower_label(StageBuilder& builder, const Label& label);
void lower_cmd(StageBuilder& builder, const Cmd& cmd);
void lower_entrypoint(StageBuilder& builder, const Entrypoint& entrypoint);
void lower_expose(StageBuilder& builder, const Expose& expose);
void lower_volume(StageBuilder& builder, const Volume& volume);
void lower_user(StageBuilder& builder, const User& user);
void lower_stop_signal(StageBuilder& builder, const StopSignal& signal);
void lower_maintainer(StageBuilder& builder, const Maintainer& maintainer);
void lower_shell(StageBuilder& builder, const Shell& shell);
void lower_healthcheck(StageBuilder& builder, const HealthcheckCommand& healthcheck);
void lower_onbuild(StageBuilder& builder, const Onbuild& onbuild);

}  // namespace kiln::dockerfile
