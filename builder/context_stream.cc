#include "builder/context_stream.h"

#include <sys/stat.h>

#include <cerrno>
#include <memory>

#include "builder/layer/apply_layer.h"
#include "builder/layer/peeked_source.h"
#include "builder/os/stream.h"
#include "proto/error.h"

namespace kiln {

StreamedContext read_context_stream(os::Fd stream,
                                    const std::string& what,
                                    const store::Store& store,
                                    std::stop_token stop) {
  StreamedContext context{store.make_temp("context"), {}, std::nullopt};
  auto source = std::make_unique<layer::PeekedSource>(
      std::make_unique<os::StreamSource>(std::move(stream), what, stop), layer::kArchiveHeadBytes);
  if (source->head().empty()) {
    throw Error(Errc::invalid_input,
                "{} is empty: pipe in an archive of the context, or a Dockerfile", what);
  }
  const std::filesystem::path tree = context.scratch.path() / "tree";
  // The modes of the store's directories are not those of a context.
  if (::mkdir(tree.c_str(), 0755) != 0 || ::chmod(tree.c_str(), 0755) != 0) {
    throw system_error(errno, "make directory " + tree.string());
  }
  context.tree = tree;
  if (!layer::begins_archive(source->head())) {
    StringSink text(kMaxDockerfileBytes);
    within(what, [&] { copy(*source, text); });
    context.dockerfile = text.take();
    return context;
  }
  within("the archive on " + what,
         [&] { layer::unpack_archive(std::move(source), os::Dir::open(tree), {}, stop); });
  return context;
}

}  // namespace kiln
