#include "tests/unit/store/store_fixture.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "builder/os/dir.h"
#include "proto/oci.h"

namespace kiln::store {

StoreTest::StoreTest()
    : scratch_(std::filesystem::temp_directory_path(), "kiln-store-test"),
      root_(scratch_.path() / "root") {}

LayerId add_snapshot(Store& store, const std::string& text) {
  const LayerId layer = store.database().run_blocking([](Tables& tables) {
    LayerRow row;
    row.created_ns = os::now_ns();
    return tables.add_layer(row);
  });
  const os::TempDir work = store.make_temp("snapshot");
  const std::filesystem::path tree = work.path() / "tree";
  std::filesystem::create_directories(tree);
  os::write_file(tree / "content", text);
  std::filesystem::rename(tree, store.snapshot_path(layer));
  store.database().run_blocking(
      [&](Tables& tables) { tables.set_layer_snapshot(layer, true, text.size()); });
  return layer;
}

void add_blob(Store& store, LayerId layer, const std::string& text) {
  const Digest blob = store.blobs().put(text);
  store.database().run_blocking([&](Tables& tables) {
    tables.set_layer_blob(layer, DiffId{sha256("tar " + text)}, blob, oci::kLayer, text.size());
  });
}

Digest put_image_documents(Store& store, const std::vector<std::string>& layer_texts) {
  oci::ImageConfig config;
  config.platform = {"linux", "amd64", "", ""};
  for (const std::string& text : layer_texts)
    config.diff_ids.push_back({sha256("tar " + text)});
  const std::string config_json = oci::to_json(config);
  oci::Manifest manifest{.media_type = std::string(oci::kManifest),
                         .config = {std::string(oci::kConfig),
                                    store.blobs().put(config_json),
                                    config_json.size(),
                                    {},
                                    {}},
                         .layers = {},
                         .annotations = {}};
  for (const std::string& text : layer_texts)
    manifest.layers.push_back({std::string(oci::kLayer), sha256(text), text.size(), {}, {}});
  return store.blobs().put(oci::to_json(manifest));
}

void put_image(Store& store, const std::string& reference, const Digest& manifest) {
  store.database().run_blocking([&](Tables& tables) {
    tables.put_image({reference, manifest, std::string(oci::kManifest), 1, os::now_ns()});
  });
}

void put_record(Store& store, const std::string& key, const std::vector<LayerId>& layers) {
  store.database().run_blocking([&](Tables& tables) {
    tables.put_record({key, layers, "RUN " + key, "{}", os::now_ns(), os::now_ns()});
  });
}

void run_and_vanish(const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      body();
      ::_exit(0);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "child: %s\n", error.what());
      ::_exit(1);
    }
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
}

std::uint64_t du(const std::filesystem::path& path, const std::string& more_flags) {
  const std::string command = "du -s -B1 " + more_flags + " '" + path.string() + "'";
  const std::unique_ptr<FILE, int (*)(FILE*)> output(::popen(command.c_str(), "r"), ::pclose);
  unsigned long long bytes = 0;
  EXPECT_EQ(std::fscanf(output.get(), "%llu", &bytes), 1);
  return bytes;
}

std::vector<std::string> names_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  for (const os::DirEntry& entry : os::Dir::open(directory).entries())
    names.push_back(entry.name);
  return names;
}

}  // namespace kiln::store
