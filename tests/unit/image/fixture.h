// What the tests of archives and of local outputs begin with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "builder/image/archive.h"
#include "builder/layer/tar_writer.h"
#include "builder/store/blob_store.h"
#include "proto/error.h"
#include "proto/oci.h"

namespace kiln::image::test {

class Scratch {
 public:
  Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch();
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const {
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

struct CommandResult {
  int status = 0;
  std::string output;  ///< both streams
};
CommandResult run(const std::string& command);
bool installed(const std::string& program);

void write_text(const std::filesystem::path& path, std::string_view text);
std::string read_text(const std::filesystem::path& path);

/// Makes a tar in memory.
class TarBuilder {
 public:
  TarBuilder();
  TarBuilder& directory(const std::string& path);
  TarBuilder& file(const std::string& path, std::string_view content);
  TarBuilder& symlink(const std::string& path, const std::string& target);
  TarBuilder& hard_link(const std::string& path, const std::string& target);
  [[nodiscard]] std::string finish();

 private:
  StringSink bytes_;
  std::unique_ptr<layer::TarWriter> tar_;
};

/// A store in a directory of its own, and what is in it.
struct TestStore {
  Scratch scratch;
  store::BlobStore blobs{scratch.path()};

  [[nodiscard]] std::vector<std::string> blob_names() const;
  [[nodiscard]] std::size_t temporary_files() const;
  [[nodiscard]] std::vector<ArchivedImage> read(const std::string& archive) const;
  [[nodiscard]] std::vector<ArchivedImage> read_file(const std::filesystem::path& archive) const;
  [[nodiscard]] std::string write(const std::vector<ArchivedImage>& images,
                                  ArchiveFormat format) const;
};

std::string gzip(std::string_view bytes);

/// A layer's tar with one file.
std::string layer_tar(const std::string& file, const std::string& content);
std::string config_json(const std::vector<std::string>& layer_tars,
                        const std::string& architecture = "amd64");
/// An image of gzip layers for that architecture, in the store.
oci::Descriptor store_test_image(const store::BlobStore& blobs,
                                 const std::vector<std::string>& layer_tars,
                                 const std::string& architecture = "amd64");

/// The code and message of what `body` throws; Errc::internal and "" when it throws nothing.
template <class Body>
Error error_of(Body&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  return {Errc::internal, ""};
}

}  // namespace kiln::image::test
