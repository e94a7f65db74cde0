// What clients and the daemon say to each other. proto/PROTOCOL.md is the grammar; messages_json.cc
// the JSON.
//
// A request is one JSON document; long answers are a stream of events, one JSON object a line, in
// order. Fields may be added; a field's meaning never changes under the same kApiVersion.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proto/error.h"

namespace kiln {

inline constexpr int kApiVersion = 1;

/// Marks a descriptor's role in BuildRequest::descriptors and its kin.
namespace role {
inline constexpr std::string_view kContext =
    "context";  ///< the context directory, O_PATH or O_RDONLY; or an archive of it to read
inline constexpr std::string_view kNamedContext =
    "context:";  ///< + name in named_contexts: a directory, of files or an OCI layout
inline constexpr std::string_view kDockerfile = "dockerfile";  ///< a readable file
inline constexpr std::string_view kDockerignore =
    "dockerignore";  ///< <Dockerfile>.dockerignore, readable
inline constexpr std::string_view kOutput =
    "output:";  ///< + index into outputs: file or directory to write
inline constexpr std::string_view kSecret = "secret:";  ///< + id: a readable file
inline constexpr std::string_view kSsh = "ssh:";        ///< + id: an agent's socket, O_PATH
}  // namespace role

/// One "-o type=...,key=value".
struct Output {
  std::string type;  ///< image, oci, docker, tar, local
  std::map<std::string, std::string> attributes;
};

/// One "--cache-from type=...,key=value" or --cache-to.
struct CacheOption {
  std::string type;  ///< registry, inline
  std::map<std::string, std::string> attributes;
};

/// POST /kiln/v1/builds
struct BuildRequest {
  /// What is asked about the Dockerfile: check, outline or targets. Nothing is executed then and
  /// no image made; the answer is in Finished::metadata. "" and "build": build it.
  std::string call;
  std::vector<std::string> tags;
  std::string context_name;     ///< the context as the user typed it, for messages
  std::string dockerfile_name;  ///< the Dockerfile as the user typed it, for messages
  /// --build-context NAME=VALUE: a directory, docker-image://IMAGE, oci-layout://DIRECTORY[:TAG].
  std::map<std::string, std::string> named_contexts;
  std::string target;
  std::map<std::string, std::string> build_args;
  std::map<std::string, std::string> labels;
  std::vector<std::string> platforms;  ///< empty: the daemon's own
  std::vector<Output> outputs;         ///< empty: one of type image
  bool push = false;
  bool pull = false;                         ///< ask the registries again for every base image
  bool no_cache = false;                     ///< all stages
  std::vector<std::string> no_cache_stages;  ///< or these
  std::string network;                       ///< "" is the daemon's default; default, host, none
  std::vector<std::string> add_hosts;        ///< "name:address"
  std::vector<std::string> ulimits;          ///< "nofile=1024:2048"
  std::int64_t shm_size_bytes = 0;           ///< 0 is the default of 64 MiB
  std::vector<std::string> allow;            ///< entitlements that this build asks for
  std::vector<CacheOption> cache_from;       ///< caches of other machines that are asked, in order
  std::vector<CacheOption> cache_to;         ///< and those that this build adds to
  /// The role of each file descriptor passed beside the request, in order.
  std::vector<std::string> descriptors;
};

/// POST /kiln/v1/images/{pull,push}
struct TransferRequest {
  std::string reference;
  std::string platform;  ///< pull only; "" is the daemon's own
};

/// POST /kiln/v1/images/save writes to, /load reads from the one passed descriptor (role output:0,
/// context).
struct SaveRequest {
  std::vector<std::string> references;
  std::string format;  ///< oci (default), docker
  std::vector<std::string> descriptors;
  std::string archive_name{};  ///< what messages call the archive, "" is nothing
};

/// How a step ended.
enum class StepOutcome { done, cached, failed, cancelled };

/// The first event of a build.
struct BuildStarted {
  std::string build_id;  ///< what `kiln logs` and `kiln builds` know it by
};

struct StepStarted {
  int step = 0;  ///< unique in the build; what later events refer to
  std::string name;
};

/// How far a part of a step is: a layer that is pulled, a blob that is pushed, a tree that is
/// copied.
struct StepProgress {
  int step = 0;
  std::string item;
  std::uint64_t current_bytes = 0;
  std::uint64_t total_bytes = 0;  ///< 0 when not known
};

struct StepLog {
  int step = 0;
  int stream = 1;    ///< 1 stdout, 2 stderr
  std::string text;  ///< as the command wrote it, in order, cut anywhere
};

struct StepEnded {
  int step = 0;
  StepOutcome outcome = StepOutcome::done;
  std::int64_t duration_ms = 0;
};

/// What takes time in a build. Some of these run side by side, also in one step.
enum class Phase {
  resolve,   ///< asking what a base image's name stands for
  key,       ///< listing and hashing what steps select, looking keys up
  pull,      ///< downloading a layer
  unpack,    ///< a layer's blob into files
  copy,      ///< what COPY and ADD do
  run,       ///< a command
  diff,      ///< making a layer of what a step changed
  compress,  ///< making a layer's blob
  push,      ///< uploading
  output,    ///< writing an archive or files for the client
};

/// Where a step, or the build itself (step 0), spent time.
struct StepPhase {
  int step = 0;
  Phase phase = Phase::run;
  std::string item;           ///< which layer, image or context; may be ""
  std::int64_t start_ns = 0;  ///< since the build began
  std::int64_t duration_ns = 0;
  std::uint64_t bytes = 0;  ///< that went through it; 0 when that says nothing
};

/// Why a step was not taken from the cache.
enum class MissReason {
  first,     ///< nothing like it was built here
  no_cache,  ///< the user wanted it to run
  gone,      ///< it is recorded, but its layers are gone
  changed,   ///< differs from the nearest record
};

enum class DifferenceKind { file, variable, command, image, step, source, setting };

/// Something in which a step differs from its nearest record. Values that may be secret are left
/// out.
struct Difference {
  DifferenceKind kind = DifferenceKind::setting;
  std::string name;  ///< path, variable, image, step
  /// Of a file: added, removed, content, mode, owner, type, link, attributes. Of a step: rebuilt,
  /// changed.
  std::string change;
  std::string before;
  std::string after;
};

struct StepExplained {
  int step = 0;
  MissReason reason = MissReason::first;
  std::vector<Difference> differences;  ///< of `changed`; the first of them
  std::uint64_t more = 0;               ///< differences that are not listed
};

struct Warning {
  std::string text;  ///< with its place, ready to show
  // Of a warning about the Dockerfile; all empty for another:
  std::string rule{};         ///< "UndefinedVar"
  std::string message{};      ///< without its place
  std::string description{};  ///< what the rule is about
  std::string url{};          ///< where the rule is explained
  std::string file{};         ///< the Dockerfile, as the user typed it
  int first_line = 0;         ///< from 1
  int last_line = 0;
};

/// The daemon needs a registry's credentials: answer with POST /kiln/v1/credentials/TICKET.
struct CredentialsNeeded {
  std::string ticket;
  std::string registry;  ///< host[:port]; docker.io for Docker Hub
};

/// The last event of a stream that went well.
struct Finished {
  std::string build_id;
  std::string image_digest;  ///< manifest or index; "" when no image was made
  std::string config_digest;
  std::vector<std::string> names;  ///< references that now name it
  std::map<std::string, std::string> metadata;
};

/// The last event of a stream that went wrong.
struct Failed {
  Errc code = Errc::internal;
  std::string message;                ///< one line or more, ready to show
  std::optional<int> step;            ///< the step that failed
  std::optional<int> exit_code;       ///< of a RUN command
  std::vector<std::string> log_tail;  ///< its last lines
};

using BuildEvent = std::variant<BuildStarted,
                                StepStarted,
                                StepProgress,
                                StepLog,
                                StepEnded,
                                StepPhase,
                                StepExplained,
                                Warning,
                                CredentialsNeeded,
                                Finished,
                                Failed>;

/// Takes events in order, on the event-loop thread. An event that cannot be delivered is not an
/// error of the emitter: the connection's end is told by cancellation.
using EventSink = std::function<void(BuildEvent)>;

/// POST /kiln/v1/credentials/TICKET. All empty: the client has none.
struct Credentials {
  std::string username;
  std::string password;
  std::string identity_token;  ///< an OAuth2 refresh token instead of a password
};

struct ImageSummary {
  std::string reference;  ///< in its familiar form; "<none>" of an image without a name
  std::string digest;
  std::string config_digest;
  std::string platform;
  std::uint64_t size_bytes = 0;  ///< compressed layers, configuration and manifest
  std::string created;           ///< RFC 3339
};

struct HistoryRow {
  std::string created;
  std::string created_by;
  std::string comment;
  std::uint64_t size_bytes = 0;
  bool empty_layer = false;
};

struct DiskUsage {
  struct Row {
    std::string kind;  ///< images, layers, snapshots, blobs, cache records, file digests, logs
    std::uint64_t count = 0;
    std::uint64_t size_bytes = 0;
    std::uint64_t reclaimable_bytes = 0;
  };
  std::vector<Row> rows;
  /// One thing that takes space; no byte counts for two.
  struct Item {
    std::string kind;  ///< snapshot, blob, image, record, cache mount, git repository, build, ...
    std::string name;
    std::uint64_t size_bytes = 0;
    std::string last_used;               ///< RFC 3339; "" is not known
    std::vector<std::string> needed_by;  ///< images, base images, records, layers, running builds
  };
  std::vector<Item> items{};  ///< only when they were asked for
};

/// POST /kiln/v1/fsck
struct FsckRequest {
  bool repair = false;  ///< drop what is broken, so that the next build makes it again
};

/// What fsck found, in the metadata "fsck" of its Finished.
struct FsckReport {
  struct Finding {
    std::string kind;  ///< blob, snapshot, layer, record, image, git repository, database, orphan
    std::string name;
    std::string problem;
    std::vector<std::string> affects;  ///< images and records, as people know them
    bool repaired = false;
  };
  std::vector<Finding> findings;
  std::vector<std::string> checked;  ///< what was looked at, and how closely, a sentence each
};

/// POST /kiln/v1/prune
struct PruneRequest {
  bool all = false;               ///< records of images too, so that only the images stay
  std::uint64_t keep_bytes = 0;   ///< stop when the store takes no more; 0 removes all that may go
  std::int64_t older_than_s = 0;  ///< only what was not used for so long
};

struct PruneReport {
  std::uint64_t records = 0;
  std::uint64_t freed_bytes = 0;
};

struct VersionInfo {
  std::string version;
  int api_version = kApiVersion;
};

/// GET /kiln/v1/info: name and value pairs for people and for bug reports.
struct DaemonInfo {
  std::vector<std::pair<std::string, std::string>> entries;
};

/// The body of every answer that is not 2xx.
struct ErrorReply {
  Errc code = Errc::internal;
  std::string message;
};

/// JSON of each message, on one line. Parsers throw Error{invalid_input} naming the field.
[[nodiscard]] std::string to_json(const BuildRequest& value);
[[nodiscard]] std::string to_json(const TransferRequest& value);
[[nodiscard]] std::string to_json(const SaveRequest& value);
[[nodiscard]] std::string to_json(const BuildEvent& value);
[[nodiscard]] std::string to_json(const Credentials& value);
[[nodiscard]] std::string to_json(const std::vector<ImageSummary>& value);
[[nodiscard]] std::string to_json(const std::vector<HistoryRow>& value);
[[nodiscard]] std::string to_json(const DiskUsage& value);
[[nodiscard]] std::string to_json(const PruneRequest& value);
[[nodiscard]] std::string to_json(const PruneReport& value);
[[nodiscard]] std::string to_json(const FsckRequest& value);
[[nodiscard]] std::string to_json(const FsckReport& value);
[[nodiscard]] std::string to_json(const VersionInfo& value);
[[nodiscard]] std::string to_json(const DaemonInfo& value);
[[nodiscard]] std::string to_json(const ErrorReply& value);

/// The message of type T in `json`; defined for every type above.
template <class T>
[[nodiscard]] T from_json(std::string_view json);

/// The stable word of a value, as in the JSON.
[[nodiscard]] std::string_view to_word(StepOutcome outcome);
[[nodiscard]] std::string_view to_word(Phase phase);

/// The stable word of a code ("not_found"), and its process exit code (design: 1 failed, 2 misuse,
/// 3 no daemon).
[[nodiscard]] std::string_view to_word(Errc code);

}  // namespace kiln
