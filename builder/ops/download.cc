#include "builder/ops/download.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

#include "builder/layer/gzip.h"
#include "builder/ops/content_hash.h"
#include "builder/ops/new_layer.h"
#include "builder/os/file.h"

namespace kiln::ops {

namespace {

/// Names of unfinished files in the layer's root; the finished one replaces what has its name.
constexpr const char* kBodyName = ".kiln-download";
constexpr const char* kCompressedName = ".kiln-download.gz";

os::Fd create(const std::filesystem::path& path) {
  return os::open_file(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
}

/// source: Go's net/http, which asks for gzip by itself and compares without case.
bool is_compressed(const registry::WebAnswer& answer) {
  std::string encoding(answer.headers.find("Content-Encoding").value_or(""));
  std::ranges::transform(encoding, encoding.begin(), [](unsigned char c) {
    return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  });
  return encoding == "gzip";
}

}  // namespace

class Download::Body final : public Sink {
 public:
  Body(Download& download, const std::filesystem::path& path)
      : download_(download), file_(create(path), path), hash_(download.algorithm_) {}
  void write(Bytes bytes) override {
    hash_.update(bytes);
    file_.write(bytes);
  }
  void finish() override { download_.digest_ = hash_.finish(); }

 private:
  Download& download_;
  os::FileSink file_;
  ContentHash hash_;
};

class Download::CompressedBody final : public Sink {
 public:
  CompressedBody(Download& download, const std::filesystem::path& root)
      : download_(download), root_(root), file_(create(root / kCompressedName), "the answer") {}
  void write(Bytes bytes) override { file_.write(bytes); }
  void finish() override {
    const std::filesystem::path path = root_ / kCompressedName;
    const auto source = layer::make_gzip_source(
        std::make_unique<os::FileSource>(os::open_file(path, O_RDONLY), path));
    Body body(download_, root_ / kBodyName);
    within("inflate the answer (Content-Encoding: gzip)", [&] { copy(*source, body); });
    body.finish();
    if (::unlink(path.c_str()) != 0) throw system_error(errno, "remove " + path.string());
  }

 private:
  Download& download_;
  std::filesystem::path root_;
  os::FileSink file_;
};

std::unique_ptr<Sink> Download::open(const registry::WebAnswer& answer) {
  if (!workspace_) workspace_ = open_workspace(workshop_, "download", {});
  if (is_compressed(answer)) return std::make_unique<CompressedBody>(*this, workspace_->root());
  return std::make_unique<Body>(*this, workspace_->root() / kBodyName);
}

void Download::finish(const std::string& name, std::int64_t mtime_seconds) {
  const std::filesystem::path body = workspace_->root() / kBodyName;
  const std::array<timespec, 2> times{timespec{mtime_seconds, 0}, timespec{mtime_seconds, 0}};
  if (::chmod(body.c_str(), 0600) != 0) throw system_error(errno, "chmod " + body.string());
  if (::utimensat(AT_FDCWD, body.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0)
    throw system_error(errno, "set times of " + body.string());
  const std::filesystem::path target = workspace_->root() / name;
  if (::rename(body.c_str(), target.c_str()) != 0)
    throw system_error(errno, "name the downloaded file " + name);
}

}  // namespace kiln::ops
