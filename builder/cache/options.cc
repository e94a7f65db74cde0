#include "builder/cache/options.h"

#include <array>
#include <string_view>

#include "proto/error.h"
#include "proto/reference.h"

namespace kiln::cache {

namespace {

/// One option's attributes, taken one by one; what is left is refused.
class Attributes {
 public:
  Attributes(std::string flag, const CacheOption& option)
      : what_(std::move(flag) + " type=" + option.type), rest_(option.attributes) {}

  std::string take(const std::string& name) {
    auto node = rest_.extract(name);
    return node.empty() ? std::string() : std::move(node.mapped());
  }

  std::string need(const std::string& name) {
    std::string value = take(name);
    if (value.empty()) fail("{}=... is missing", name);
    return value;
  }

  bool take_bool(const std::string& name, bool otherwise) {
    const std::string value = take(name);
    if (value.empty()) return otherwise;
    if (value != "true" && value != "false") fail("{}={} is neither true nor false", name, value);
    return value == "true";
  }

  /// Throws for what is left.
  void end() const {
    for (const auto& [name, value] : rest_)
      fail("the attribute \"{}\" is not known here", name);
  }

  template <class... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    throw Error(Errc::invalid_input, "{}: {}", what_,
                fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  std::string what_;
  std::map<std::string, std::string> rest_;
};

Where to_where(const Attributes& attributes, const std::string& type) {
  if (type == "registry") return Where::registry;
  if (type == "local") return Where::local;
  if (type == "inline") return Where::inline_;
  for (const std::string_view service : {"gha", "s3", "azblob"}) {
    if (type == service)
      attributes.fail("not supported; use type=registry (ghcr.io and every cloud's registry do)");
  }
  attributes.fail("not one of registry, inline, local");
}

std::string take_reference(Attributes& attributes) {
  std::string reference = attributes.need("ref");
  try {
    (void)Reference::parse(reference);
  } catch (const Error& error) {
    attributes.fail("ref={}", error.what());
  }
  return reference;
}

std::string take_tag(Attributes& attributes) {
  const std::string tag = attributes.take("tag");
  return tag.empty() ? "latest" : tag;
}

/// Attributes of BuildKit's whose only value here is what is done anyway.
void take_given(Attributes& attributes) {
  if (const std::string compression = attributes.take("compression");
      !compression.empty() && compression != "gzip")
    attributes.fail("compression={}: layers are compressed by gzip", compression);
  if (!attributes.take_bool("oci-mediatypes", true))
    attributes.fail("oci-mediatypes=false: a cache has OCI media types");
  (void)attributes.take_bool("image-manifest", true);  // either is what ours has: an index of them
  if (attributes.take_bool("force-compression", false))
    attributes.fail("force-compression=true: layers of base images are taken as they are");
  if (attributes.take_bool("registry.insecure", false))
    attributes.fail("registry.insecure=true: say it in the daemon's configuration (kilnd.toml)");
}

}  // namespace

ImportOption parse_import(const CacheOption& option) {
  Attributes attributes("--cache-from", option);
  ImportOption result;
  result.where = to_where(attributes, option.type);
  switch (result.where) {
    case Where::registry:
      result.name = take_reference(attributes);
      if (attributes.take_bool("registry.insecure", false))
        attributes.fail(
            "registry.insecure=true: say it in the daemon's configuration (kilnd.toml)");
      break;
    case Where::local:
      result.name = attributes.need("src");
      result.tag = take_tag(attributes);
      break;
    case Where::inline_:
      attributes.fail("an image's cache is read by type=registry,ref=IMAGE");
  }
  attributes.end();
  return result;
}

ExportOption parse_export(const CacheOption& option) {
  Attributes attributes("--cache-to", option);
  ExportOption result;
  result.where = to_where(attributes, option.type);
  if (result.where == Where::registry) result.name = take_reference(attributes);
  if (result.where == Where::local) {
    result.name = attributes.need("dest");
    result.tag = take_tag(attributes);
  }
  const std::string mode = attributes.take("mode");
  if (!mode.empty() && mode != "min" && mode != "max")
    attributes.fail("mode={}: not one of min, max", mode);
  result.all_steps = mode == "max";
  if (result.where == Where::inline_ && result.all_steps)
    attributes.fail(
        "mode=max: an image carries the records of its own layers only; use "
        "type=registry");
  take_given(attributes);
  result.ignore_error = attributes.take_bool("ignore-error", false);
  attributes.end();
  return result;
}

}  // namespace kiln::cache
