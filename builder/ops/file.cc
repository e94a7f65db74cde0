#include "builder/ops/file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <cerrno>

#include "builder/graph/pattern.h"
#include "builder/ops/copy_tree.h"
#include "builder/ops/new_layer.h"
#include "builder/ops/repeated_copy.h"
#include "builder/os/cancellable.h"
#include "builder/sandbox/user.h"
#include "builder/solver/phase_timer.h"

namespace kiln::ops {

namespace asio = boost::asio;

namespace {

/// A root file system to copy from: mounted for as long as it lives.
struct MountedInput {
  std::unique_ptr<snapshot::View> view;
  std::optional<os::Dir> root;
};

/// What a copy leaves to be packed, and where it lies.
struct Packing {
  std::vector<MountedInput> mounted;
  PackedFiles files;  // refers to what is above
};

/// Runs the actions of one operation on a mounted root. Blocks.
class FileActions {
 public:
  FileActions(const graph::FileOp& op,
              const std::vector<FileInput>& inputs,
              std::vector<MountedInput>& mounted,
              const os::Dir& root,
              CopyJournal* journal,
              PackedFiles* packed,
              std::stop_token stop)
      : op_(op),
        inputs_(inputs),
        mounted_(mounted),
        root_(root),
        destination_(root, op.made_time),
        journal_(journal),
        packed_(packed),
        stop_(std::move(stop)) {}

  void run() {
    for (const graph::FileAction& action : op_.actions) {
      std::visit([this](const auto& one) { run(one); }, action);
    }
  }
  [[nodiscard]] Destination& destination() noexcept { return destination_; }
  /// What users should be told.
  [[nodiscard]] const std::vector<std::string>& warnings() const noexcept { return warnings_; }

 private:
  /// Names that the image does not know are root's, as in BuildKit; but somebody is told.
  OwnerIds to_ids(const std::optional<graph::Owner>& owner) {
    if (!owner || owner->empty()) return {};
    const sandbox::Owner found = sandbox::resolve_owner(root_, *owner);
    for (const std::string& unknown : found.unknown) {
      if (std::ranges::find(warnings_, unknown) == warnings_.end()) warnings_.push_back(unknown);
    }
    return {found.uid, found.gid};
  }

  void run(const graph::CopyAction& copy) {
    CopyOptions options;
    const FileInput& input = inputs_.at(copy.input);
    options.keep_owner = !input.selection || input.selection->directory->is_ours;
    if (copy.owner) options.owner = to_ids(copy.owner);
    if (!copy.mode.empty()) {
      options.mode = graph::ModeChange::parse(copy.mode);
      options.made_directory_mode = options.mode->made_directory_mode();
    }
    if (copy.made_directory_mode) options.made_directory_mode = *copy.made_directory_mode;
    options.unpack_archives = copy.unpack_archives;
    options.time = op_.copied_time;
    options.journal = journal_;
    options.packed = packed_;
    if (input.selection) {
      copy_all(input.selection->tree(), input.selection->sources, copy.destination, options);
      return;
    }
    const SourceTree tree{
        &*mounted_.at(copy.input).root, {}, "the stage or image that --from names"};
    const SourceFilter filter{graph::PatternList(copy.exclude), copy.keep_parents, false};
    const Exclusion none{[](std::string_view) { return false; },
                         [](std::string_view) { return false; }};
    for (const std::string& text : copy.sources) {
      std::vector<SelectedSource> sources = select_source(tree, text, filter, none, stop_);
      if (packed_ != nullptr) {
        copy_all(tree, packed_->keep(std::move(sources)), copy.destination, options);
      } else {
        copy_all(tree, sources, copy.destination, options);
      }
    }
  }

  void copy_all(const SourceTree& tree,
                const std::vector<SelectedSource>& sources,
                const std::string& destination,
                const CopyOptions& options) {
    const SourceTree& kept = packed_ != nullptr ? packed_->keep(tree) : tree;
    for (const SelectedSource& source : sources)
      copy_tree(kept, source, destination_, destination, options, stop_);
  }

  void run(const graph::MkfileAction& file) {
    const OwnerIds owner = to_ids(file.owner);
    const auto [parent, name] =
        destination_.place_of_file(file.path, file.name_in_directory, {owner, file.parent_mode});
    destination_.keep_times(parent.get());
    destination_.clear_place(parent.get(), name);
    const os::Fd made(::openat(parent.get(), name.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!made) throw system_error(errno, "create " + file.path);
    os::write_all(made.get(), as_bytes(file.content), file.path);
    set_metadata(made.get(), owner, file.mode, file.path);
    const std::array<timespec, 2> times{destination_.made_time(), destination_.made_time()};
    if (::futimens(made.get(), times.data()) != 0)
      throw system_error(errno, "set times of " + file.path);
  }

  void run(const graph::MkdirAction& directory) {
    const std::optional<struct stat> existing = destination_.stat_at(directory.path);
    const OwnerIds owner = to_ids(directory.owner);
    const os::Fd made = destination_.make_directory(directory.path, {owner});
    if (!existing) set_metadata(made.get(), owner, directory.mode, directory.path);
  }

  void run(const graph::RemoveAction& remove) {
    const auto [parent, name] = open_parent(remove.path);
    if (::unlinkat(parent.get(), name.c_str(), 0) == 0 || errno == ENOENT) return;
    if (errno != EISDIR) throw system_error(errno, "remove " + remove.path);
    os::remove_tree_at(parent.get(), name);
  }

  void run(const graph::SymlinkAction& link) {
    const auto [parent, name] = open_parent(link.path);
    if (::symlinkat(link.target.c_str(), parent.get(), name.c_str()) != 0) {
      throw system_error(errno, "make link " + link.path);
    }
    const std::array<timespec, 2> times{destination_.made_time(), destination_.made_time()};
    if (::utimensat(parent.get(), name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW) != 0) {
      throw system_error(errno, "set times of " + link.path);
    }
  }

  static void set_metadata(int fd, OwnerIds owner, std::uint32_t mode, const std::string& path) {
    if (::fchown(fd, owner.uid, owner.gid) != 0) throw system_error(errno, "chown " + path);
    if (::fchmod(fd, mode) != 0) throw system_error(errno, "chmod " + path);
  }

  std::pair<os::Fd, std::string> open_parent(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    check(slash != std::string::npos && slash + 1 < path.size(),
          "a file action has an absolute path");
    os::Fd parent = destination_.make_directory(path.substr(0, slash + 1), {});
    destination_.keep_times(parent.get());
    return {std::move(parent), path.substr(slash + 1)};
  }

  const graph::FileOp& op_;
  const std::vector<FileInput>& inputs_;
  std::vector<MountedInput>& mounted_;
  const os::Dir& root_;
  Destination destination_;
  CopyJournal* journal_;
  PackedFiles* packed_;
  std::stop_token stop_;
  std::vector<std::string> warnings_;
};

using Paths = std::vector<std::filesystem::path>;

struct Acted {
  std::shared_ptr<snapshot::Workspace> workspace;
  std::vector<std::string> warnings;
  std::optional<EarlierCopy> made_on;  ///< the workspace holds a difference from that
  CopyJournal journal{};
  std::shared_ptr<Packing> packing{};  ///< the workspace lacks what that has
};

/// Names of owners mean what the layers below the copy say, not what an earlier copy put there.
bool has_accounts(const CopiedFiles& files) {
  return files.contains("etc") || files.contains("etc/passwd") || files.contains("etc/group");
}

bool may_name_owners(const graph::FileOp& op) {
  return std::ranges::any_of(op.actions, [](const graph::FileAction& action) {
    const auto* copy = std::get_if<graph::CopyAction>(&action);
    return copy != nullptr && copy->owner.has_value();
  });
}

/// One file operation with all that it needs.
class Attempt {
 public:
  Attempt(const graph::FileOp& op,
          const std::vector<FileInput>& inputs,
          const std::vector<Paths>& snapshots,
          Workshop& workshop,
          std::stop_token stop)
      : op_(op),
        inputs_(inputs),
        snapshots_(snapshots),
        base_(inputs.empty() ? Paths{} : snapshots.front()),
        workshop_(workshop),
        stop_(std::move(stop)) {}

  /// Mounts, acts, and gives the workspace back with its changes. Blocks.
  Acted from_nothing(bool journaled) {
    Acted acted;
    (void)act(base_, journaled ? &acted.journal : nullptr, acted);
    return acted;
  }

  /// Leaves the regular files where they are. Blocks.
  Acted without_files() {
    Acted acted;
    auto packing = std::shared_ptr<Packing>(new Packing, [&pool = workshop_.pool](Packing* one) {
      asio::post(pool, [owned = std::unique_ptr<Packing>(one)] {});
    });
    packing->mounted.resize(inputs_.size());
    (void)act(base_, nullptr, packing->mounted, &packing->files, acted);
    acted.packing = std::move(packing);
    return acted;
  }

  /// The same on top of an earlier result. nullopt where that is not possible, whatever stands in
  /// the way: from_nothing() does it, or says what is really wrong. Blocks.
  std::optional<Acted> on_earlier(const EarlierCopy& earlier) {
    if (may_name_owners(op_) && has_accounts(earlier.files)) return std::nullopt;
    Acted acted;
    acted.journal = CopyJournal(earlier.files);
    acted.made_on = earlier;
    Paths lowers = base_;
    lowers.push_back(workshop_.store.snapshot_path(earlier.layer));
    try {
      if (!act(lowers, &acted.journal, acted)) return std::nullopt;
    } catch (const Error& error) {
      if (error.code() == Errc::cancelled) throw;
      return std::nullopt;
    }
    return acted;
  }

 private:
  bool act(const Paths& lowers, CopyJournal* journal, Acted& acted) {
    std::vector<MountedInput> mounted(inputs_.size());
    return act(lowers, journal, mounted, nullptr, acted);
  }

  bool act(const Paths& lowers,
           CopyJournal* journal,
           std::vector<MountedInput>& mounted,
           PackedFiles* packed,
           Acted& acted) {
    auto workspace = open_workspace(workshop_, "file", lowers);
    for (std::size_t i = 1; i < inputs_.size(); ++i) {
      if (inputs_[i].selection) continue;
      mounted[i].view =
          std::make_unique<snapshot::View>(workshop_.store.make_temp("view"), snapshots_[i]);
      mounted[i].root = os::Dir::open(mounted[i].view->root());
    }
    const os::Dir root = os::Dir::open(workspace->root());
    FileActions actions(op_, inputs_, mounted, root, journal, packed, stop_);
    actions.run();
    // A deletion in the difference would hide what other layers have there, whatever they are:
    // equal layers of other images are the same row.
    if (journal != nullptr && journal->has_left_over()) return false;
    actions.destination().restore_times();
    acted.workspace = std::move(workspace);
    acted.warnings = actions.warnings();
    return true;
  }

  const graph::FileOp& op_;
  const std::vector<FileInput>& inputs_;
  const std::vector<Paths>& snapshots_;
  Paths base_;
  Workshop& workshop_;
  std::stop_token stop_;
};

}  // namespace

asio::awaitable<solver::Stack> run_file_op(const graph::Vertex& vertex,
                                           std::vector<FileInput> inputs,
                                           registry::CredentialsProvider credentials,
                                           solver::Listener listener,
                                           WantedLayer wanted,
                                           Workshop& workshop) {
  const auto& op = std::get<graph::FileOp>(vertex.op);
  std::vector<Paths> snapshots;
  for (const FileInput& input : inputs) {
    snapshots.push_back(co_await workshop.layers.unpacked(input.stack, credentials, listener));
  }
  const bool packed = wanted.form == LayerForm::blob && only_copy(vertex) != nullptr;
  const std::optional<std::string> instruction = repeatable_copy(vertex, inputs);
  std::optional<EarlierCopy> earlier;
  if (instruction && !packed) earlier = co_await find_earlier_copy(*instruction, workshop);
  auto work = [&](std::stop_token stop) {
    Attempt attempt(op, inputs, snapshots, workshop, std::move(stop));
    if (packed) return attempt.without_files();
    std::optional<Acted> acted;
    if (earlier) acted = attempt.on_earlier(*earlier);
    return acted ? std::move(*acted) : attempt.from_nothing(instruction.has_value());
  };
  solver::PhaseTimer timer(listener, Phase::copy);
  Acted acted = co_await os::offload_cancellable(workshop.pool, work);
  timer.stop();
  for (const std::string& warning : acted.warnings)
    listener->log(2, fmt::format("warning: {}\n", warning));
  solver::Stack result = inputs.empty() ? solver::Stack{} : inputs.front().stack;
  if (packed) {
    store::LayerId newest{};
    if (instruction) newest = co_await find_newest_copy(*instruction, workshop);
    result = co_await add_packed_layer(workshop, std::move(result), std::move(acted.workspace),
                                       acted.packing->files, listener, wanted.begun, newest);
    if (instruction) co_await keep_newest_copy(*instruction, result.back(), workshop);
    co_return result;
  }
  Descent descent;
  if (acted.made_on) descent.delta_of = acted.made_on->layer;
  if (earlier) descent.predecessor = earlier->newest;
  result = co_await add_layer(workshop, std::move(result), std::move(acted.workspace), listener,
                              descent);
  if (instruction) {
    co_await keep_copy(*instruction, result.back(), acted.made_on, acted.journal, workshop);
  }
  co_return result;
}

}  // namespace kiln::ops
