#include "tests/unit/image/fixture.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "builder/layer/compress.h"
#include "builder/os/file.h"

namespace kiln::image::test {

namespace fs = std::filesystem;

namespace {
constexpr std::size_t kMaxBytes = std::size_t{512} * 1024 * 1024;
}

Scratch::Scratch() {
  std::string pattern = (fs::temp_directory_path() / "kiln-image.XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw system_error(errno, "mkdtemp " + pattern);
  path_ = pattern;
}

Scratch::~Scratch() {
  os::remove_tree(path_);
}

CommandResult run(const std::string& command) {
  CommandResult result;
  FILE* pipe = ::popen(("{ " + command + "\n} 2>&1").c_str(), "r");
  if (pipe == nullptr) throw system_error(errno, "popen");
  std::array<char, 4096> buffer{};
  while (const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), pipe))
    result.output.append(buffer.data(), count);
  result.status = WEXITSTATUS(::pclose(pipe));
  return result;
}

bool installed(const std::string& program) {
  return run("command -v " + program).status == 0;
}

void write_text(const fs::path& path, std::string_view text) {
  fs::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary);
  out.write(text.data(), static_cast<std::streamsize>(text.size()));
  if (!out.flush()) throw Error(Errc::unavailable, "write {}", path.string());
}

std::string read_text(const fs::path& path) {
  return os::read_file(path, kMaxBytes);
}

TarBuilder::TarBuilder() : bytes_(kMaxBytes), tar_(std::make_unique<layer::TarWriter>(bytes_)) {}

TarBuilder& TarBuilder::directory(const std::string& path) {
  layer::TarHeader header;
  header.path = path;
  header.type = S_IFDIR;
  header.attributes.mode = 0755;
  tar_->header(header);
  return *this;
}

TarBuilder& TarBuilder::file(const std::string& path, std::string_view content) {
  layer::TarHeader header;
  header.path = path;
  header.type = S_IFREG;
  header.attributes.mode = 0644;
  header.size_bytes = content.size();
  tar_->header(header);
  tar_->content(as_bytes(content));
  return *this;
}

TarBuilder& TarBuilder::symlink(const std::string& path, const std::string& target) {
  layer::TarHeader header;
  header.path = path;
  header.type = S_IFLNK;
  header.attributes.mode = 0777;
  header.link_target = target;
  tar_->header(header);
  return *this;
}

TarBuilder& TarBuilder::hard_link(const std::string& path, const std::string& target) {
  layer::TarHeader header;
  header.path = path;
  header.type = S_IFREG;
  header.attributes.mode = 0644;
  header.hard_link = target;
  tar_->header(header);
  return *this;
}

std::string TarBuilder::finish() {
  tar_->close();
  return bytes_.take();
}

std::vector<std::string> TestStore::blob_names() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(scratch / "blobs/sha256"))
    names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

std::size_t TestStore::temporary_files() const {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(scratch / "tmp"), fs::directory_iterator()));
}

std::vector<ArchivedImage> TestStore::read(const std::string& archive) const {
  return read_archive(std::make_unique<BytesSource>(as_bytes(archive)), blobs, {});
}

std::vector<ArchivedImage> TestStore::read_file(const fs::path& archive) const {
  return read_archive(
      std::make_unique<os::FileSource>(os::open_file(archive, O_RDONLY), archive.string()), blobs,
      {});
}

std::string TestStore::write(const std::vector<ArchivedImage>& images, ArchiveFormat format) const {
  StringSink sink(kMaxBytes);
  write_archive(blobs, images, format, sink, {});
  return sink.take();
}

std::string gzip(std::string_view bytes) {
  StringSink sink(kMaxBytes);
  const auto compressor = layer::make_compressor(layer::Compression::gzip, sink, 1);
  compressor->write(as_bytes(bytes));
  compressor->finish();
  return sink.take();
}

std::string layer_tar(const std::string& file, const std::string& content) {
  return TarBuilder().file(file, content).finish();
}

std::string config_json(const std::vector<std::string>& layer_tars,
                        const std::string& architecture) {
  oci::ImageConfig config;
  config.platform = Platform::parse("linux/" + architecture);
  config.config.env = {"PATH=/bin"};
  config.config.cmd = std::vector<std::string>{"true"};
  for (const std::string& tar : layer_tars)
    config.diff_ids.push_back({sha256(tar)});
  return oci::to_json(config);
}

oci::Descriptor store_test_image(const store::BlobStore& blobs,
                                 const std::vector<std::string>& layer_tars,
                                 const std::string& architecture) {
  const std::string config = config_json(layer_tars, architecture);
  oci::Manifest manifest{std::string(oci::kManifest),
                         {std::string(oci::kConfig), blobs.put(config), config.size(), {}, {}},
                         {},
                         {}};
  for (const std::string& tar : layer_tars) {
    const std::string blob = gzip(tar);
    manifest.layers.push_back({std::string(oci::kLayerGzip), blobs.put(blob), blob.size(), {}, {}});
  }
  const std::string text = oci::to_json(manifest);
  return {std::string(oci::kManifest),
          blobs.put(text),
          text.size(),
          {},
          Platform::parse("linux/" + architecture)};
}

}  // namespace kiln::image::test
