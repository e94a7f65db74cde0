// JSON of requests and of answers in one piece; events are in events_json.cc.

#include "proto/json_fields.h"

namespace kiln {

template <class Visitor>
void fields(Visitor& visit, Output& value) {
  visit("type", value.type);
  visit("attributes", value.attributes);
}

template <class Visitor>
void fields(Visitor& visit, CacheOption& value) {
  visit("type", value.type);
  visit("attributes", value.attributes);
}

template <class Visitor>
void fields(Visitor& visit, BuildRequest& value) {
  visit("call", value.call);
  visit("tags", value.tags);
  visit("context_name", value.context_name);
  visit("dockerfile_name", value.dockerfile_name);
  visit("named_contexts", value.named_contexts);
  visit("target", value.target);
  visit("build_args", value.build_args);
  visit("labels", value.labels);
  visit("platforms", value.platforms);
  visit("outputs", value.outputs);
  visit("push", value.push);
  visit("pull", value.pull);
  visit("no_cache", value.no_cache);
  visit("no_cache_stages", value.no_cache_stages);
  visit("network", value.network);
  visit("add_hosts", value.add_hosts);
  visit("ulimits", value.ulimits);
  visit("shm_size_bytes", value.shm_size_bytes);
  visit("allow", value.allow);
  visit("cache_from", value.cache_from);
  visit("cache_to", value.cache_to);
  visit("descriptors", value.descriptors);
}

template <class Visitor>
void fields(Visitor& visit, TransferRequest& value) {
  visit("reference", value.reference);
  visit("platform", value.platform);
}

template <class Visitor>
void fields(Visitor& visit, SaveRequest& value) {
  visit("references", value.references);
  visit("format", value.format);
  visit("descriptors", value.descriptors);
  visit("archive_name", value.archive_name);
}

template <class Visitor>
void fields(Visitor& visit, Credentials& value) {
  visit("username", value.username);
  visit("password", value.password);
  visit("identity_token", value.identity_token);
}

template <class Visitor>
void fields(Visitor& visit, ImageSummary& value) {
  visit("reference", value.reference);
  visit("digest", value.digest);
  visit("config_digest", value.config_digest);
  visit("platform", value.platform);
  visit("size_bytes", value.size_bytes);
  visit("created", value.created);
}

template <class Visitor>
void fields(Visitor& visit, HistoryRow& value) {
  visit("created", value.created);
  visit("created_by", value.created_by);
  visit("comment", value.comment);
  visit("size_bytes", value.size_bytes);
  visit("empty_layer", value.empty_layer);
}

template <class Visitor>
void fields(Visitor& visit, DiskUsage::Row& value) {
  visit("kind", value.kind);
  visit("count", value.count);
  visit("size_bytes", value.size_bytes);
  visit("reclaimable_bytes", value.reclaimable_bytes);
}

template <class Visitor>
void fields(Visitor& visit, DiskUsage::Item& value) {
  visit("kind", value.kind);
  visit("name", value.name);
  visit("size_bytes", value.size_bytes);
  visit("last_used", value.last_used);
  visit("needed_by", value.needed_by);
}

template <class Visitor>
void fields(Visitor& visit, DiskUsage& value) {
  visit("rows", value.rows);
  visit("items", value.items);
}

template <class Visitor>
void fields(Visitor& visit, PruneRequest& value) {
  visit("all", value.all);
  visit("keep_bytes", value.keep_bytes);
  visit("older_than_s", value.older_than_s);
}

template <class Visitor>
void fields(Visitor& visit, PruneReport& value) {
  visit("records", value.records);
  visit("freed_bytes", value.freed_bytes);
}

template <class Visitor>
void fields(Visitor& visit, FsckRequest& value) {
  visit("repair", value.repair);
}

template <class Visitor>
void fields(Visitor& visit, FsckReport::Finding& value) {
  visit("kind", value.kind);
  visit("name", value.name);
  visit("problem", value.problem);
  visit("affects", value.affects);
  visit("repaired", value.repaired);
}

template <class Visitor>
void fields(Visitor& visit, FsckReport& value) {
  visit("findings", value.findings);
  visit("checked", value.checked);
}

template <class Visitor>
void fields(Visitor& visit, VersionInfo& value) {
  visit("version", value.version);
  visit("api_version", value.api_version);
}

template <class Visitor>
void fields(Visitor& visit, DaemonInfo& value) {
  visit("entries", value.entries);
}

template <class Visitor>
void fields(Visitor& visit, ErrorReply& value) {
  visit("code", value.code);
  visit("message", value.message);
}

template <>
constexpr bool kHasAllFields<ImageSummary> = true;
template <>
constexpr bool kHasAllFields<HistoryRow> = true;
template <>
constexpr bool kHasAllFields<DiskUsage::Row> = true;
template <>
constexpr bool kHasAllFields<DiskUsage::Item> = true;
template <>
constexpr bool kHasAllFields<FsckReport::Finding> = true;
template <>
constexpr bool kHasAllFields<FsckReport> = true;

std::string to_json(const BuildRequest& value) {
  return dump(write(value));
}
std::string to_json(const TransferRequest& value) {
  return dump(write(value));
}
std::string to_json(const SaveRequest& value) {
  return dump(write(value));
}
std::string to_json(const Credentials& value) {
  return dump(write(value));
}
std::string to_json(const std::vector<ImageSummary>& value) {
  return dump(write(value));
}
std::string to_json(const std::vector<HistoryRow>& value) {
  return dump(write(value));
}
std::string to_json(const DiskUsage& value) {
  return dump(write(value));
}
std::string to_json(const PruneRequest& value) {
  return dump(write(value));
}
std::string to_json(const PruneReport& value) {
  return dump(write(value));
}
std::string to_json(const FsckRequest& value) {
  return dump(write(value));
}
std::string to_json(const FsckReport& value) {
  return dump(write(value));
}
std::string to_json(const VersionInfo& value) {
  return dump(write(value));
}
std::string to_json(const DaemonInfo& value) {
  return dump(write(value));
}
std::string to_json(const ErrorReply& value) {
  return dump(write(value));
}

template <class T>
T from_json(std::string_view text) {
  T value;
  read(parse(text), "message", value);
  return value;
}

template BuildRequest from_json(std::string_view);
template TransferRequest from_json(std::string_view);
template SaveRequest from_json(std::string_view);
template Credentials from_json(std::string_view);
template std::vector<ImageSummary> from_json(std::string_view);
template std::vector<HistoryRow> from_json(std::string_view);
template DiskUsage from_json(std::string_view);
template PruneRequest from_json(std::string_view);
template PruneReport from_json(std::string_view);
template FsckRequest from_json(std::string_view);
template FsckReport from_json(std::string_view);
template VersionInfo from_json(std::string_view);
template DaemonInfo from_json(std::string_view);
template ErrorReply from_json(std::string_view);

}  // namespace kiln
