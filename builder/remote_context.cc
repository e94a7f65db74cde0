#include "builder/remote_context.h"

#include <fcntl.h>

#include "builder/ops/git_access.h"
#include "builder/ops/git_source.h"
#include "builder/ops/http_source.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

/// The directory of a stack of one layer.
asio::awaitable<std::filesystem::path> only_layer(solver::Stack stack,
                                                  registry::CredentialsProvider credentials,
                                                  solver::Listener listener,
                                                  Services::Parts& parts) {
  check(stack.size() == 1, "what is fetched is one layer");
  co_return (co_await parts.layers.unpacked(std::move(stack), credentials, listener)).front();
}

std::shared_ptr<const ops::ClientDirectory> directory_of(const std::filesystem::path& path,
                                                         const std::string& shown) {
  ops::ClientDirectory directory{
      os::Dir::open(path), {}, "the build context " + shown, true, nullptr};
  return std::make_shared<const ops::ClientDirectory>(std::move(directory));
}

}  // namespace

asio::awaitable<BuildContext> open_remote_context(dockerfile::RemoteContext source,
                                                  std::string shown,
                                                  ops::ClientInputs client,
                                                  solver::Listener listener,
                                                  Services::Parts& parts) {
  if (const auto* git = std::get_if<graph::GitSource>(&source)) {
    const ops::LentGitAccess lent =
        co_await ops::lend_git_access(client.secrets, listener, *parts.workshop);
    const ops::GitRevision revision = co_await ops::resolve_git(*git, lent.access, listener);
    const solver::Stack stack =
        co_await ops::load_git(*git, revision, lent.access, listener, *parts.workshop);
    const std::filesystem::path tree =
        co_await only_layer(stack, client.credentials, listener, parts);
    // Whoever asks for more of it asks for this commit: the ref may have moved meanwhile.
    graph::GitSource pinned = *git;
    pinned.ref = revision.object;
    co_return BuildContext{directory_of(tree, shown), BuildContext::Kind::remote, std::nullopt,
                           pinned};
  }
  const auto& http = std::get<graph::HttpSource>(source);
  const ops::WebFile file =
      co_await ops::fetch_web_file(http, client.secrets, listener, *parts.workshop);
  const std::filesystem::path layer =
      co_await only_layer(file.stack, client.credentials, listener, parts);
  const auto directory = directory_of(layer, shown);
  os::Fd stream = directory->root.open_at(file.name, O_RDONLY, os::Links::refuse);
  BuildContext context = co_await open_stream(std::move(stream), shown, parts);
  context.kind = BuildContext::Kind::remote;
  context.source = source;
  // A lone Dockerfile is also what can be copied.
  if (context.dockerfile) context.directory = directory;
  co_return context;
}

}  // namespace kiln
