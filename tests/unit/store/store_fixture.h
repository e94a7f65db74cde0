// A store in a scratch directory, and what tests put into it.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "builder/os/file.h"
#include "builder/store/lease.h"
#include "builder/store/store.h"

namespace kiln::store {

class StoreTest : public testing::Test {
 protected:
  StoreTest();

  void open() { store_.emplace(root_); }
  void close() { store_.reset(); }
  void reopen() {
    close();
    open();
  }
  [[nodiscard]] Store& store() { return *store_; }
  [[nodiscard]] const std::filesystem::path& root() const { return root_; }

  template <class Work>
  auto run(Work work) {
    return store_->database().run_blocking(std::move(work));
  }

  os::TempDir scratch_;
  std::filesystem::path root_;
  std::optional<Store> store_;
};

/// A layer with a snapshot directory that holds the file "content" of `text`, and no blob.
LayerId add_snapshot(Store& store, const std::string& text);
/// Gives it a blob of that text.
void add_blob(Store& store, LayerId layer, const std::string& text);
/// An image of those layer blobs, with its configuration and manifest; returns the manifest.
Digest put_image_documents(Store& store, const std::vector<std::string>& layer_texts);
void put_image(Store& store, const std::string& reference, const Digest& manifest);
void put_record(Store& store, const std::string& key, const std::vector<LayerId>& layers);

/// Runs `body` in a child that ends at once after it, without closing anything.
void run_and_vanish(const std::function<void()>& body);

/// The first number that `du -s -B1` prints.
std::uint64_t du(const std::filesystem::path& path, const std::string& more_flags = "");

std::vector<std::string> names_in(const std::filesystem::path& directory);

}  // namespace kiln::store
