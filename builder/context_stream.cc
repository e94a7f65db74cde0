#include "builder/context_stream.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "builder/layer/apply_layer.h"
#include "builder/os/stream.h"
#include "proto/error.h"

namespace kiln {

namespace {

/// Gives the first bytes that were looked at again, then the rest.
class HeadSource final : public Source {
 public:
  explicit HeadSource(std::unique_ptr<Source> inner) : inner_(std::move(inner)) {
    while (size_ < head_.size()) {
      const std::size_t count = inner_->read(MutableBytes(head_).subspan(size_));
      if (count == 0) break;
      size_ += count;
    }
  }

  [[nodiscard]] Bytes head() const { return Bytes(head_).first(size_); }

  std::size_t read(MutableBytes buffer) override {
    if (position_ == size_) return inner_->read(buffer);
    const std::size_t count = std::min(buffer.size(), size_ - position_);
    std::memcpy(buffer.data(), head_.data() + position_, count);
    position_ += count;
    return count;
  }

 private:
  std::unique_ptr<Source> inner_;
  std::array<std::byte, layer::kArchiveHeadBytes> head_{};
  std::size_t size_ = 0;
  std::size_t position_ = 0;
};

}  // namespace

StreamedContext read_context_stream(os::Fd stream,
                                    const std::string& what,
                                    const store::Store& store,
                                    std::stop_token stop) {
  StreamedContext context{store.make_temp("context"), {}, std::nullopt};
  auto source = std::make_unique<HeadSource>(
      std::make_unique<os::StreamSource>(std::move(stream), what, stop));
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
