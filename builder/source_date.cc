#include "builder/source_date.h"

#include <algorithm>

#include "builder/dockerfile/ast.h"
#include "builder/ops/git_access.h"
#include "builder/ops/git_source.h"
#include "builder/ops/http_source.h"
#include "builder/os/offload.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

using dockerfile::RemoteContext;

/// nullopt: it has none.
asio::awaitable<std::optional<std::int64_t>> date_of(RemoteContext source,
                                                     ops::ClientInputs client,
                                                     ops::Workshop& workshop) {
  const auto listener = std::make_shared<solver::SilentListener>();
  if (const auto* git = std::get_if<graph::GitSource>(&source)) {
    const ops::LentGitAccess lent =
        co_await ops::lend_git_access(client.secrets, listener, workshop);
    const ops::GitRevision revision = co_await ops::resolve_git(*git, lent.access, listener);
    co_return co_await ops::git_commit_time(*git, revision, lent.access, listener, workshop);
  }
  const auto& http = std::get<graph::HttpSource>(source);
  const ops::WebFile file = co_await ops::fetch_web_file(http, client.secrets, listener, workshop);
  if (file.mtime_seconds == 0) co_return std::nullopt;
  co_return file.mtime_seconds;
}

bool has_stage(const dockerfile::Document& document, const std::string& name) {
  return std::ranges::any_of(document.ast().instructions, [&](const auto& instruction) {
    const auto* from = std::get_if<dockerfile::From>(&instruction.command);
    return from && from->name == name;
  });
}

/// What the one ADD of a stage takes from the network; nullopt when the stage is made otherwise.
std::optional<RemoteContext> source_of_stage(const BuildInputs& inputs,
                                             dockerfile::LowerOptions options,
                                             const std::string& name) {
  if (!has_stage(inputs.document, name)) return std::nullopt;
  options.target = name;
  options.build_args["SOURCE_DATE_EPOCH"] = "";
  if (!missing_images(inputs.document, options, {}).empty()) return std::nullopt;
  const dockerfile::Lowered lowered = dockerfile::lower(inputs.document, options, {});
  const graph::Vertex& last = lowered.graph[lowered.target];
  if (last.inputs.size() != 2 || !graph::is_scratch(lowered.graph[last.inputs[0]]))
    return std::nullopt;
  const graph::Vertex& source = lowered.graph[last.inputs[1]];
  if (const graph::GitSource* git = graph::git_source(source)) return *git;
  if (const graph::HttpSource* http = graph::http_source(source)) return *http;
  return std::nullopt;
}

std::optional<RemoteContext> source_named(const BuildInputs& inputs,
                                          const dockerfile::LowerOptions& options,
                                          const std::string& name) {
  const dockerfile::NamedContext* context =
      dockerfile::find_context(options.contexts, name, options.target_platform);
  if (!context) return source_of_stage(inputs, options, name);
  if (const auto* git = std::get_if<graph::GitSource>(&context->from)) return *git;
  if (const auto* http = std::get_if<graph::HttpSource>(&context->from)) return *http;
  return std::nullopt;
}

}  // namespace

asio::awaitable<void> resolve_source_date(const BuildInputs& inputs,
                                          dockerfile::LowerOptions& options,
                                          Services::Parts& parts) {
  const std::string name = dockerfile::source_date_name(inputs.document, options);
  if (name.empty()) co_return;
  const bool is_main = name == "context";
  auto find = [&] { return is_main ? inputs.remote : source_named(inputs, options, name); };
  const std::optional<RemoteContext> source = co_await os::offload(parts.pool, find);
  std::optional<std::int64_t> seconds;
  if (source) seconds = co_await date_of(*source, inputs.client, *parts.workshop);
  if (!seconds && !is_main) {
    throw Error(
        Errc::invalid_input,
        "SOURCE_DATE_EPOCH={}: want seconds since 1970-01-01, \"context\", or the name of a "
        "git or http(s) context, or of a stage FROM scratch with one ADD of such a source",
        name);
  }
  options.build_args["SOURCE_DATE_EPOCH"] = seconds ? std::to_string(*seconds) : "";
}

}  // namespace kiln
