// The five operations that a build consists of. Pure values: what to do, never how.
//
// A front end lowers to these and nothing else. Every field that changes the result enters the
// vertex's definition key (key_encoding.h); a field that must not is marked "not in the key".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "proto/digest.h"
#include "proto/platform.h"
#include "proto/reference.h"

namespace kiln::graph {

/// The root file system of an image.
struct ImageSource {
  Reference reference;  ///< as resolved; not in the key: the manifest says what the content is
  Digest manifest;
  Platform platform;
  bool in_store = false;  ///< no registry has it, only our store; not in the key
};

/// Files that the client passed as a directory, filtered. Its key is the content of what is
/// selected.
struct LocalSource {
  std::string name;  ///< which directory: "context", or the name of a named context
  std::vector<std::string>
      include;  ///< what the step reads, as copy sources (globs); empty: everything
  std::vector<std::string> exclude;         ///< ignore patterns (pattern.h), .dockerignore's first
  std::vector<std::string> source_exclude;  ///< as CopyAction::exclude
  bool keep_parents = false;                ///< as CopyAction::keep_parents
  bool is_literal = false;                  ///< `include` are paths: nothing in them is a wildcard
  friend bool operator==(const LocalSource&, const LocalSource&) = default;
};

/// A file from a web server. Its key is the file's content, name and date.
struct HttpSource {
  std::string url;
  std::string file_name;  ///< "": of Content-Disposition, else of the URL
  std::string checksum;   ///< what the content must be, "sha256:..." (or 384, 512); "" is anything
};

/// The tree of a commit. Its key is the commit, and what is taken of it.
struct GitSource {
  std::string remote;         ///< as git takes it: a URL, or host:path
  std::string ref;            ///< branch, tag or commit; "" is the remote's HEAD
  std::string subdir;         ///< "" is the whole tree
  std::string checksum;       ///< a commit or its beginning that `ref` must be; "" is any
  bool keep_git_dir = false;  ///< .git stays in the tree
  bool skip_submodules = false;
  bool commit_times = false;     ///< files have the commit's date instead of the checkout's
  bool fetch_by_commit = false;  ///< `checksum` is a whole commit: `ref` is only its name
};

using SourceOp = std::variant<ImageSource, LocalSource, HttpSource, GitSource>;

/// How /etc/resolv.conf, sockets and interfaces look like to a command.
enum class Network { standard = 1, host = 2, none = 3 };

/// Something mounted into a command's file system.
struct BindMount {
  std::size_t input = 0;     ///< index into the vertex's inputs
  std::string source = "/";  ///< path inside that input
  std::string target;
  bool writable = false;  ///< writes are discarded
};
struct TmpfsMount {
  std::string target;
  std::uint64_t size_bytes = 0;  ///< 0 is unlimited
  bool read_only = false;
};

/// A directory that outlives the build; what is in it is never in the key.
struct CacheMount {
  enum class Sharing { shared = 1, isolated = 2, locked = 3 };  ///< isolated is "private"
  std::string id;                                               ///< with its namespace
  std::string target;
  Sharing sharing = Sharing::shared;
  std::optional<std::size_t> input;  ///< index into the vertex's inputs: what a new one begins with
  std::string source = "/";          ///< path inside that input
  bool read_only = false;
  std::uint32_t mode = 0755;  ///< of a new one, and its owner
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

/// A secret of the client as a file, a variable, or both; its value is never in the key.
struct SecretMount {
  std::string id;
  std::string target;     ///< "": no file
  std::string variable;   ///< "": no variable
  bool required = false;  ///< false: without it there is no mount
  std::uint32_t mode = 0400;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

/// The client's SSH agent as a socket.
struct SshMount {
  std::string id = "default";
  std::string target;
  bool required = false;
  std::uint32_t mode = 0600;
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

using ExecMount = std::variant<BindMount, TmpfsMount, CacheMount, SecretMount, SshMount>;

struct Ulimit {
  std::string name;  ///< "nofile"
  std::uint64_t soft = 0;
  std::uint64_t hard = 0;
};

/// Runs a command on input 0; its changes are the result.
struct ExecOp {
  std::vector<std::string> args;
  std::vector<std::string> env;  ///< NAME=value, in order
  std::string working_dir = "/";
  std::string user;  ///< as USER has it: names are resolved in the file system
  Network network = Network::standard;
  bool insecure = false;  ///< RUN --security=insecure
  std::vector<ExecMount> mounts;
  std::string hostname;
  std::vector<std::string> proxy_env;  ///< NAME=value; not in the key
  std::vector<std::string> add_hosts;  ///< "name:address"; not in the key
  std::vector<Ulimit> ulimits;         ///< not in the key
  std::int64_t shm_size_bytes = 0;     ///< 0 is 64 MiB; not in the key
};

/// An owner as Dockerfile flags write it: "uid[:gid]" or "user[:group]"; names are resolved in the
/// destination's /etc/passwd and /etc/group. Empty: 0:0.
using Owner = std::string;

/// Copies paths of an input into the file system of input 0.
struct CopyAction {
  std::size_t input = 0;             ///< index into the vertex's inputs: where the files come from
  std::vector<std::string> sources;  ///< paths or globs beneath that input's root
  /// Patterns (pattern.h) relative to each source that is a directory; a file that a source itself
  /// names is never excluded.
  std::vector<std::string> exclude;
  std::string destination;       ///< absolute; a trailing '/' means "into this directory"
  std::optional<Owner> owner;    ///< nullopt: 0:0 for files of a context, kept for other inputs
  std::string mode;              ///< chmod (file_mode.h); "" keeps each file's
  bool unpack_archives = false;  ///< ADD: a local tar archive's members instead of the archive
  /// COPY --parents: each source is "PLACE/./PATTERN"; what matches the pattern (pattern.h) below
  /// PLACE (a path or glob) keeps its path from there.
  bool keep_parents = false;
  /// Of directories that are made on the way to the destination; nullopt: as `mode` has it.
  std::optional<std::uint32_t> made_directory_mode;
};

/// Writes a small file of given content.
struct MkfileAction {
  std::string path;  ///< absolute; a trailing '/' means "into this directory"
  std::string content;
  std::uint32_t mode = 0644;
  std::optional<Owner> owner;
  /// When `path` is or turns out to be a directory: the name of the file that is made in it.
  std::string name_in_directory;
  std::uint32_t parent_mode = 0755;  ///< of missing parents
};

struct MkdirAction {
  std::string path;  ///< absolute; missing parents are made too
  std::uint32_t mode = 0755;
  std::optional<Owner> owner;
};

struct RemoveAction {
  std::string path;
};

struct SymlinkAction {
  std::string target;
  std::string path;
};

using FileAction = std::variant<CopyAction, MkfileAction, MkdirAction, RemoveAction, SymlinkAction>;

/// Changes files of input 0, action by action; one layer.
struct FileOp {
  std::vector<FileAction> actions;
  /// Seconds since the epoch: the date of what the builder itself makes (directories of WORKDIR,
  /// missing parents, here-documents). Copied files keep their own.
  std::int64_t made_time = 0;
  /// The date of what is copied, where it is not its own (SOURCE_DATE_EPOCH), in the same unit.
  /// What is unpacked from an archive keeps the archive's.
  std::optional<std::int64_t> copied_time = std::nullopt;
};

/// Input 0 with the layers of the others on top, in order. (COPY --link)
struct MergeOp {};

/// What input 1 has above input 0.
struct DiffOp {};

using Op = std::variant<SourceOp, ExecOp, FileOp, MergeOp, DiffOp>;

}  // namespace kiln::graph
