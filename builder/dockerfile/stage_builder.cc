#include "builder/dockerfile/stage_builder.h"

#include <algorithm>

#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/suggest.h"
#include "builder/dockerfile/text.h"
#include "builder/dockerfile/timestamps.h"

namespace kiln::dockerfile {

namespace {

constexpr std::string_view kComment = "buildkit.dockerfile.v0";
constexpr std::string_view kDefaultPath =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Arguments that steer the build and are no variables of it.
bool is_control(std::string_view name) {
  return name == "BUILDKIT_SBOM_SCAN_CONTEXT" || name == "BUILDKIT_SBOM_SCAN_STAGE";
}

bool takes_step_number(const Instruction& instruction) {
  return std::holds_alternative<Run>(instruction.command) ||
         std::holds_alternative<Copy>(instruction.command) ||
         std::holds_alternative<Workdir>(instruction.command);
}

/// The instruction's first word in capitals, as step names show it.
std::string with_upper_keyword(std::string_view text) {
  const std::size_t space = std::min(text.find(' '), text.size());
  return upper(text.substr(0, space)) + std::string(text.substr(space));
}

/// Where `$name` stands in the instruction, to point at.
std::size_t offset_of_variable(const Instruction& instruction,
                               const std::string& name,
                               std::size_t offset) {
  for (const std::string& form : {"$" + name, "${" + name}) {
    const std::size_t at = instruction.text.find(form, offset);
    if (at != std::string::npos) return at;
  }
  return offset;
}

}  // namespace

graph::VertexId LoweringContext::image_vertex(const ImageNeed& need, const std::string& name) {
  const auto image = known.find(need.key());
  check(image != known.end(), "every image that lowering needs was resolved");
  const auto key = image->second.manifest.str() + " " + need.platform.str();
  const auto [entry, added] = images.try_emplace(key, 0);
  if (added) {
    Reference reference = need.reference;
    reference.digest = image->second.manifest;
    const std::string title = need.context.empty()
                                  ? name + reference.str()
                                  : fmt::format("[context {}] {}", need.context, need.text);
    entry->second =
        graph.add({graph::SourceOp(graph::ImageSource{std::move(reference), image->second.manifest,
                                                      need.platform, need.in_layout}),
                   {},
                   need.platform,
                   title,
                   need.range,
                   false});
  }
  return entry->second;
}

graph::VertexId LoweringContext::named_vertex(const NamedContext& named, const Wanted& wanted) {
  const auto add = [&](graph::SourceOp source, std::string_view what) {
    return graph.add({std::move(source),
                      {},
                      options.target_platform,
                      fmt::format("[context {}] {}", named.name, what),
                      {},
                      false});
  };
  if (const auto* local = std::get_if<LocalContext>(&named.from)) {
    return selected(
        wanted.of_local(named.local_name(), local->ignore),
        [&](graph::LocalSource source) { return add(std::move(source), "load from client"); });
  }
  const auto [entry, added] = remote_contexts.try_emplace(named.name, 0);
  if (added) {
    if (const auto* git = std::get_if<graph::GitSource>(&named.from)) {
      entry->second = add(*git, named.value);
    } else {
      entry->second = add(std::get<graph::HttpSource>(named.from), named.value);
    }
  }
  return entry->second;
}

graph::VertexId LoweringContext::selected(
    graph::LocalSource source, const std::function<graph::VertexId(graph::LocalSource)>& add) {
  const auto [entry, is_new] = selections.try_emplace(
      {source.name, source.include, source.source_exclude, source.keep_parents, source.is_literal},
      graph::VertexId{});
  if (is_new) entry->second = add(std::move(source));
  return entry->second;
}

graph::VertexId LoweringContext::scratch_vertex(const Platform& platform) {
  if (!scratch) scratch = graph.add({graph::FileOp{}, {}, platform, "FROM scratch", {}, false});
  return *scratch;
}

StageBuilder::StageBuilder(LoweringContext& context, const Stage& stage)
    : context_(context), stage_(stage) {
  step_total_ = stage.base_image || stage.base_context ? 1 : 0;
  for (const Step& step : stage.steps)
    step_total_ += takes_step_number(*step.instruction) ? 1 : 0;
}

void StageBuilder::run() {
  begin();
  for (const Step& step : stage_.steps) {
    step_ = &step;
    try {
      lower_step();
    } catch (const Mistake& mistake) {
      fail(context_.ast.source, instruction(), mistake,
           step.is_trigger ? stage_.instruction : nullptr);
    }
  }
  context_.states[stage_.index] = std::move(state_);
}

void StageBuilder::begin() {
  if (stage_.base_stage) {
    state_ = context_.states[*stage_.base_stage];
  } else if (stage_.base_image) {
    begin_from_image(*stage_.base_image);
  } else if (stage_.base_context) {
    begin_from_context(*stage_.base_context);
  } else {
    state_.file_system = context_.scratch_vertex(stage_.platform);
    state_.image.platform = stage_.platform;
    state_.image.config.working_dir = "/";
  }
  if (!stage_.base_stage) state_.uses = context_.plan.argument_definitions;
  for (const std::string& name : stage_.used_arguments)
    state_.uses.use(name);
  oci::ContainerConfig& config = state_.image.config;
  config.on_build.clear();
  const bool has_path = std::ranges::any_of(
      config.env, [](const std::string& entry) { return variable_of(entry) == "PATH"; });
  if (!has_path && stage_.platform.os != "windows") {
    config.env.push_back("PATH=" + std::string(kDefaultPath));
  }
  for (const std::string& entry : config.env) {
    const std::size_t equals = std::min(entry.find('='), entry.size());
    state_.environment.set(entry.substr(0, equals),
                           equals == entry.size() ? "" : entry.substr(equals + 1));
  }
}

void StageBuilder::begin_from_image(const ImageNeed& need) {
  const auto found = context_.known.find(need.key());
  check(found != context_.known.end(), "every image that lowering needs was resolved");
  const ResolvedImage& image = found->second;
  const std::string name = prefix() + "FROM ";
  const bool is_empty = image.config.diff_ids.empty() &&
                        std::ranges::all_of(image.config.history, &oci::HistoryEntry::empty_layer);
  state_.file_system =
      is_empty ? context_.scratch_vertex(need.platform) : context_.image_vertex(need, name);
  state_.base_manifest = image.manifest;
  state_.base_created = parse_timestamp(image.config.created);
  state_.image = image.config;
  state_.image.created.clear();
  // source: BuildKit, which enters a base's relative directory from that directory.
  std::string& directory = state_.image.config.working_dir;
  if (!directory.empty() && !directory.starts_with('/'))
    directory = clean_path("/" + directory + "/" + directory);
  const Platform& actual = image.config.platform;
  if (is_empty || !need.context.empty()) return;  // no files, or a platform that was asked for
  if (need.platform.os != actual.os || need.platform.architecture != actual.architecture) {
    context_.linter.warn(
        "InvalidBaseImagePlatform", *stage_.instruction,
        fmt::format("Base image {} was pulled with platform \"{}\", expected \"{}\" for current "
                    "build",
                    need.text, actual.str(), need.platform.str()),
        std::get<From>(stage_.instruction->command).base.offset);
  }
}

void StageBuilder::begin_from_context(const NamedContext& named) {
  (void)prefix();  // takes the number of the FROM
  const graph::VertexId files = context_.named_vertex(named, {});
  state_.file_system = files;
  if (std::holds_alternative<LocalContext>(named.from)) {
    graph::CopyAction copy;
    copy.input = 1;
    copy.sources = {"."};
    copy.destination = "/";
    graph::FileOp op;
    op.actions.emplace_back(std::move(copy));
    state_.file_system = context_.graph.add({std::move(op),
                                             {context_.scratch_vertex(stage_.platform), files},
                                             stage_.platform,
                                             "",
                                             stage_.instruction->range,
                                             false});
  }
  state_.nameless = {state_.file_system, "local source for " + named.name};
  state_.image.platform = stage_.platform;
  if (!stage_.is_replaced) state_.image.config.working_dir = "/";
}

void StageBuilder::lower_step() {
  struct Dispatch {
    StageBuilder& builder;
    void operator()(const From&) const {}
    void operator()(const Arg& c) const { lower_arg(builder, c); }
    void operator()(const Env& c) const { lower_env(builder, c); }
    void operator()(const Label& c) const { lower_label(builder, c); }
    void operator()(const Run& c) const { lower_run(builder, c); }
    void operator()(const Cmd& c) const { lower_cmd(builder, c); }
    void operator()(const Entrypoint& c) const { lower_entrypoint(builder, c); }
    void operator()(const Copy& c) const { lower_copy(builder, c); }
    void operator()(const Expose& c) const { lower_expose(builder, c); }
    void operator()(const Volume& c) const { lower_volume(builder, c); }
    void operator()(const Workdir& c) const { lower_workdir(builder, c); }
    void operator()(const User& c) const { lower_user(builder, c); }
    void operator()(const StopSignal& c) const { lower_stop_signal(builder, c); }
    void operator()(const Maintainer& c) const { lower_maintainer(builder, c); }
    void operator()(const Shell& c) const { lower_shell(builder, c); }
    void operator()(const HealthcheckCommand& c) const { lower_healthcheck(builder, c); }
    void operator()(const Onbuild& c) const { lower_onbuild(builder, c); }
  };
  std::visit(Dispatch{*this}, instruction().command);
}

std::int64_t StageBuilder::made_time() const {
  if (context_.plan.source_date_epoch) return *context_.plan.source_date_epoch;
  return state_.base_created.value_or(0);
}

void StageBuilder::report_undefined(const Expansion& expansion, std::size_t offset) {
  for (const std::string& name : expansion.undefined) {
    const bool declared = std::ranges::any_of(
        state_.arguments, [&](const auto& argument) { return argument.first == name; });
    if (declared || is_control(name)) continue;
    const std::string match = nearest(name, state_.environment.names());
    warn("UndefinedVar",
         fmt::format("Usage of undefined variable '${}'", name) +
             (match.empty() ? "" : fmt::format(" (did you mean ${}?)", match)),
         offset_of_variable(instruction(), name, offset));
  }
}

std::string StageBuilder::expand_word(const std::string& word, std::size_t offset) {
  return expand_words({word, offset}).text;
}

Expansion StageBuilder::expand_words(const Token& token) {
  try {
    Expansion result = expand(token.text, state_.environment, {.escape = context_.ast.escape});
    report_undefined(result, token.offset);
    return result;
  } catch (Mistake& mistake) {
    mistake.set_offset(token.offset);
    throw;
  }
}

std::string StageBuilder::expand_body(const std::string& body) {
  const Expansion result = expand(body, state_.environment, {.plain_quotes = true});
  report_undefined(result, 0);
  return result.text;
}

std::string StageBuilder::expand_flag(std::string_view name) {
  const Flag* flag = instruction().flag(name);
  return flag && flag->value ? expand_word(*flag->value, flag->offset) : "";
}

bool StageBuilder::ignores_cache() const {
  const std::vector<std::string>& stages = options().no_cache_stages;
  return options().no_cache || std::ranges::any_of(stages, [&](const std::string& name) {
           return !stage_.name.empty() && equal_fold(name, stage_.name);
         });
}

graph::VertexId StageBuilder::add_step(graph::Op op,
                                       std::vector<graph::VertexId> inputs,
                                       std::string name) {
  inputs.insert(inputs.begin(), state_.file_system);
  state_.file_system = context_.graph.add({std::move(op), std::move(inputs), stage_.platform,
                                           std::move(name), range(), ignores_cache()});
  return state_.file_system;
}

graph::VertexId StageBuilder::add_helper(graph::Op op, std::string name) {
  return context_.graph.add({std::move(op), {}, stage_.platform, std::move(name), range(), false});
}

std::string StageBuilder::prefix() {
  if (step_total_ == 0) return "";
  const std::string total = std::to_string(step_total_);
  const std::string stage = context_.plan.shows_stage_names ? stage_.label() + " " : "";
  return fmt::format("[{}{:>{}}/{}] ", stage, ++step_index_, total.size(), total);
}

std::string StageBuilder::step_name(const ExpandMode& mode,
                                    std::string_view suffix,
                                    const Environment& variables) {
  std::string text = std::string(trim_right(instruction().text)) + std::string(suffix);
  try {
    text = expand(text, variables, mode).text;
  } catch (const Mistake&) {
    // A name for people: what cannot be expanded is shown as it was written.
  }
  return prefix() + (step_->is_trigger ? "ONBUILD " : "") + with_upper_keyword(text);
}

void StageBuilder::add_history(std::string created_by) {
  state_.history.push_back({{"", std::move(created_by), "", std::string(kComment), true}, {}});
}

void StageBuilder::add_layer_history(std::string created_by) {
  state_.history.push_back(
      {{"", std::move(created_by), "", std::string(kComment), false}, state_.file_system});
}

void StageBuilder::warn(std::string_view rule,
                        std::string message,
                        std::optional<std::size_t> offset) {
  if (step_->is_trigger) {
    context_.linter.warn(rule, *stage_.instruction, std::move(message));
  } else {
    context_.linter.warn(rule, instruction(), std::move(message), offset);
  }
}

std::string StageBuilder::absolute(std::string_view path) const {
  const bool into = path.empty() || path == "." || path.ends_with('/') || path.ends_with("/.");
  const std::string& directory = state_.image.config.working_dir;
  std::string joined =
      path.starts_with('/') ? std::string(path) : "/" + directory + "/" + std::string(path);
  joined = clean_path(joined);
  if (into && joined != "/") joined += '/';
  return joined;
}

std::vector<std::string> StageBuilder::with_shell(const CommandLine& command,
                                                  std::string text) const {
  if (command.exec_form) return command.words;
  std::vector<std::string> words = {"/bin/sh", "-c"};
  if (stage_.platform.os == "windows") words = {"cmd", "/S", "/C"};
  const auto& shell = state_.image.config.shell;
  if (shell && !shell->empty()) words = *shell;
  words.push_back(std::move(text));
  return words;
}

}  // namespace kiln::dockerfile
