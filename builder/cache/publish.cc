#include "builder/cache/publish.h"

#include <algorithm>
#include <chrono>

#include "builder/os/file.h"
#include "builder/os/offload.h"
#include "proto/error.h"

namespace kiln::cache {

namespace asio = boost::asio;

namespace {

/// So often is the index written in one export, however busy others are: the tags have it all.
constexpr int kMaxRounds = 8;

class Publisher {
 public:
  Publisher(Place& place, Contents contents, asio::thread_pool& pool)
      : place_(place), contents_(std::move(contents)), pool_(pool) {
    for (const auto& [shard, document] : contents_.shards)
      listed_.insert(shard);
  }

  asio::awaitable<void> run(std::vector<ShardImage> fresh) {
    for (ShardImage& image : fresh)
      co_await add(std::move(image));
    for (int round = 0; round < kMaxRounds; ++round) {
      if (round > 0) co_await read_index();
      std::set<Shard> wanted = co_await wanted_shards();
      if (wanted.size() > kMaxShards) wanted = {co_await merge_all(wanted)};
      if (wanted == listed_ || wanted.empty()) break;
      co_await write_index(wanted);
    }
    if (refused_) throw Error(*refused_);
    co_await remove_replaced();
  }

 private:
  asio::awaitable<void> add(ShardImage image) {
    const Shard shard = image.shard;
    auto parse = [&image] { return parse_config(image.config).value(); };
    contents_.shards.insert_or_assign(shard, co_await os::offload(pool_, parse));
    co_await place_.put_shard(std::move(image));
    own_.insert(shard);
  }

  asio::awaitable<void> read_index() {
    const std::optional<std::string> root = co_await place_.read_root();
    listed_ =
        root && oci::is_index(oci::media_type_of(*root)) ? parse_index(*root) : std::set<Shard>{};
  }

  /// Everything that there is and that no merged shard has taken over.
  asio::awaitable<std::set<Shard>> wanted_shards() {
    std::set<Shard> known = listed_;
    known.insert(own_.begin(), own_.end());
    tags_ = co_await place_.shard_tags();
    if (tags_) {
      std::erase_if(known, [this](const Shard& shard) {
        return !own_.contains(shard) && !tags_->contains(place_.tag_of(shard));
      });
      co_await read_shards(place_, known, pool_, contents_);
      for (const std::string& tag : unknown_tags(known)) {
        if (const auto shard = co_await place_.find_shard(tag)) known.insert(*shard);
      }
    }
    co_await read_shards(place_, known, pool_, contents_);
    const std::set<Digest> replaced = replaced_by(known);
    // Of a shard that cannot be read nothing would be found.
    std::erase_if(known, [&](const Shard& shard) {
      return replaced.contains(shard.manifest) || !contents_.shards.contains(shard);
    });
    co_return known;
  }

  [[nodiscard]] std::set<Digest> replaced_by(const std::set<Shard>& shards) const {
    std::set<Digest> replaced;
    for (const Shard& shard : shards) {
      const auto document = contents_.shards.find(shard);
      if (document == contents_.shards.end()) continue;
      replaced.insert(document->second.replaces.begin(), document->second.replaces.end());
    }
    return replaced;
  }

  /// Tags of shards that are neither known nor replaced.
  [[nodiscard]] std::set<std::string> unknown_tags(const std::set<Shard>& known) const {
    std::set<std::string> tags = *tags_;
    for (const Shard& shard : known)
      tags.erase(place_.tag_of(shard));
    for (const Digest& manifest : replaced_by(known))
      tags.erase(tag_of(manifest));
    return tags;
  }

  [[nodiscard]] std::string tag_of(const Digest& manifest) const {
    return place_.tag_of({manifest, 0, manifest, 0});
  }

  asio::awaitable<Shard> merge_all(std::set<Shard> shards) {
    auto work = [&] {
      std::vector<Document> documents;
      for (const Shard& shard : shards)
        documents.push_back(contents_.shards.at(shard));
      Document merged = merge(documents, os::now_ns() / 1'000'000'000);
      std::set<Digest> replaces;
      for (const Shard& shard : shards)
        replaces.insert(shard.manifest);
      for (const Digest& earlier : replaced_by(shards)) {
        if (!tags_ || tags_->contains(tag_of(earlier))) replaces.insert(earlier);
      }
      merged.replaces.assign(replaces.begin(), replaces.end());
      return make_shard(merged);
    };
    ShardImage image = co_await os::offload(pool_, work);
    const Shard shard = image.shard;
    for (const Shard& old : shards)
      own_.erase(old);
    co_await add(std::move(image));
    co_return shard;
  }

  asio::awaitable<void> write_index(std::set<Shard> shards) {
    refused_.reset();
    try {
      co_await place_.put_root(to_index(shards));
    } catch (const Error& error) {
      if (error.code() == Errc::unavailable || error.code() == Errc::denied) throw;
      // A shard was merged and removed by somebody else meanwhile: the next round sees it. If not,
      // the last one tells.
      refused_ = error;
    }
  }

  asio::awaitable<void> remove_replaced() {
    if (!tags_) co_return;
    std::set<Shard> shards;
    for (const auto& [shard, document] : contents_.shards)
      shards.insert(shard);
    for (const Digest& manifest : replaced_by(shards)) {
      if (tags_->contains(tag_of(manifest)))
        co_await place_.remove_shard({manifest, 0, manifest, 0});
    }
  }

  Place& place_;
  Contents contents_;
  asio::thread_pool& pool_;
  std::set<Shard> listed_;
  std::set<Shard> own_;
  std::optional<std::set<std::string>> tags_;
  std::optional<Error> refused_;  ///< why the index was not taken the last time
};

}  // namespace

asio::awaitable<void> publish(Place& place,
                              std::vector<ShardImage> fresh,
                              Contents contents,
                              asio::thread_pool& pool) {
  Publisher publisher(place, std::move(contents), pool);
  co_await publisher.run(std::move(fresh));
}

}  // namespace kiln::cache
