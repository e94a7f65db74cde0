#include "builder/cache_mounts.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <thread>

#include "builder/ops/cache_archive.h"
#include "builder/os/cancellable.h"
#include "builder/os/offload.h"
#include "builder/os/stream.h"
#include "builder/services_parts.h"
#include "builder/snapshot/workspace.h"
#include "builder/step.h"

namespace kiln {

namespace asio = boost::asio;

namespace {

[[noreturn]] void refuse_unknown(const std::string& id) {
  throw Error(Errc::not_found, "{}: there is no cache mount of this id; see `kiln cache ls`", id);
}

layer::Compression parse_compression(const std::string& word) {
  if (word.empty() || word == "zstd") return layer::Compression::zstd;
  if (word == "gzip") return layer::Compression::gzip;
  if (word == "none") return layer::Compression::none;
  throw Error(Errc::invalid_input, "--compression {}: want zstd, gzip or none", word);
}

os::Fd take_descriptor(Caller& caller, const std::string& role) {
  const auto found = caller.descriptors.find(role);
  if (found == caller.descriptors.end())
    throw Error(Errc::invalid_input, "the request has no descriptor \"{}\"", role);
  return std::move(found->second);
}

void check_id(const std::string& id) {
  if (id.empty()) throw Error(Errc::invalid_input, "the id of the cache mount is empty");
}

/// Writes to a pipe that may have a reader who never reads.
class PatientSink final : public Sink {
 public:
  PatientSink(const os::Fd& fd, const std::stop_token& stop) : fd_(fd), stop_(stop) {}
  void write(Bytes bytes) override {
    while (!bytes.empty()) {
      wait();
      // So much never blocks when poll() says that there is room (pipe(7)).
      const Bytes piece = bytes.first(std::min<std::size_t>(bytes.size(), PIPE_BUF));
      os::write_all(fd_.get(), piece, "the archive");
      bytes = bytes.subspan(piece.size());
    }
  }

 private:
  void wait() const {
    constexpr int kLookAgainMs = 100;
    pollfd room{fd_.get(), POLLOUT, 0};
    while (::poll(&room, 1, kLookAgainMs) <= 0) {
      if (stop_.stop_requested()) throw Error(Errc::cancelled, "write the archive: cancelled");
    }
  }

  const os::Fd& fd_;
  const std::stop_token& stop_;
};

bool is_regular(const os::Fd& fd) {
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) throw system_error(errno, "stat the archive");
  return S_ISREG(status.st_mode);
}

/// One save; the methods in the order in which they run.
class Saving {
 public:
  Saving(const CacheTransferRequest& request, os::Fd to, Services::Parts& parts)
      : request_(request),
        compression_(parse_compression(request.compression)),
        to_(std::move(to)),
        parts_(parts) {}

  /// Into the file itself, or into one of ours: steps wait for the disk, never for a reader.
  void pack(const std::filesystem::path& content, std::stop_token stop) {
    spooled_ = !is_regular(to_);
    os::Fd file;
    if (spooled_) {
      file = os::open_file(scratch_.path() / "archive", O_RDWR | O_CREAT | O_EXCL, 0600);
    } else {
      file = os::Fd(::fcntl(to_.get(), F_DUPFD_CLOEXEC, 0));
      if (!file) throw system_error(errno, "use the archive");
    }
    os::FileSink sink(std::move(file), "the archive");
    const int threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
    ops::pack_cache(content, request_.id, compression_, threads, sink, std::move(stop));
  }

  void send(const std::stop_token& stop) {
    if (!spooled_) return;
    os::StreamSource source(os::open_file(scratch_.path() / "archive", O_RDONLY), "the archive",
                            stop);
    PatientSink sink(to_, stop);
    copy(source, sink);
  }

 private:
  const CacheTransferRequest& request_;
  layer::Compression compression_;
  os::Fd to_;
  Services::Parts& parts_;
  os::TempDir scratch_ = parts_.store.make_temp("cache-archive");
  bool spooled_ = false;
};

}  // namespace

asio::awaitable<std::vector<CacheMountSummary>> list_cache_mounts(Services& services) {
  Services::Parts& parts = services.parts();
  const auto entries = parts.cache_mounts.list();
  auto measure = [&] {
    std::vector<CacheMountSummary> rows;
    for (const ops::CacheMounts::Entry& entry : entries) {
      std::error_code gone;  // removed since it was listed
      if (!std::filesystem::exists(entry.content.parent_path(), gone)) continue;
      rows.push_back({entry.id, entry.name, snapshot::disk_bytes(entry.content.parent_path()),
                      os::to_rfc3339(entry.used_ns), entry.users, entry.shared});
    }
    return rows;
  };
  co_return co_await os::offload(parts.pool, measure);
}

asio::awaitable<Finished> save_cache_mount(CacheTransferRequest request,
                                           Caller& caller,
                                           Services& services) {
  Services::Parts& parts = services.parts();
  check_id(request.id);
  solver::StepCounter steps;
  const auto step = std::make_shared<Step>(caller.events, steps, "saving cache " + request.id);
  Saving saving(request, take_descriptor(caller, std::string(role::kOutput) + "0"), parts);
  {
    const auto held = co_await parts.cache_mounts.hold(request.id, [&](int users) {
      caller.events(
          Warning{fmt::format("waiting: {} running step(s) use the cache {}", users, request.id)});
    });
    if (!held) refuse_unknown(request.id);
    auto pack = [&](std::stop_token stop) {
      saving.pack(held->content(), std::move(stop));
      return true;
    };
    co_await os::offload_cancellable(parts.pool, pack);
  }
  auto send = [&](const std::stop_token& stop) {
    saving.send(stop);
    return true;
  };
  asio::thread_pool writer(1);  // who reads slowly must not cost a thread of the pool
  co_await os::offload_cancellable(writer, send);
  step->done();
  co_return Finished{"", "", "", {request.id}, {}};
}

asio::awaitable<Finished> load_cache_mount(CacheTransferRequest request,
                                           Caller& caller,
                                           Services& services) {
  Services::Parts& parts = services.parts();
  check_id(request.id);
  solver::StepCounter steps;
  const auto step = std::make_shared<Step>(caller.events, steps, "loading cache " + request.id);
  os::Fd from = take_descriptor(caller, std::string(role::kContext));
  auto unpack = [&](std::stop_token stop) {
    os::TempDir made = parts.store.make_temp("cache-mount");
    ops::unpack_cache(std::make_unique<os::StreamSource>(std::move(from), "the archive", stop),
                      made.path() / "content", stop);
    return made;
  };
  asio::thread_pool reader(1);  // nor must who writes slowly
  os::TempDir made = co_await os::offload_cancellable(reader, unpack);
  std::shared_ptr<const ops::CacheMounts::Lease> held;
  if (request.merge) {
    held = co_await parts.cache_mounts.hold(request.id, [&](int users) {
      caller.events(
          Warning{fmt::format("waiting: {} running step(s) use the cache {}", users, request.id)});
    });
  }
  if (held) {
    auto merge = [&] { ops::merge_cache(made.path() / "content", held->content()); };
    co_await os::offload(parts.pool, merge);
  } else {
    co_await parts.cache_mounts.place(request.id, std::move(made));
  }
  step->done();
  co_return Finished{"", "", "", {request.id}, {}};
}

asio::awaitable<CacheMountsRemoved> remove_cache_mounts(std::string id, Services& services) {
  const auto removed = co_await services.parts().cache_mounts.remove(id);
  if (removed.count == 0) refuse_unknown(id);
  co_return CacheMountsRemoved{removed.count, removed.freed_bytes};
}

}  // namespace kiln
