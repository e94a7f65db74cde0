#include "builder/named_contexts.h"

#include "builder/build_context.h"
#include "builder/dockerfile/remote_context.h"
#include "proto/shown_url.h"

namespace kiln {

namespace {

constexpr std::string_view kImage = "docker-image://";
constexpr std::string_view kLayout = "oci-layout://";

/// One context while it is opened.
class Opening {
 public:
  Opening(const std::string& name, const std::string& value, Caller& caller, NamedInputs& inputs)
      : name_(dockerfile::context_key(name)), value_(value), inputs_(inputs) {
    const auto passed = caller.descriptors.find(std::string(role::kNamedContext) + name);
    if (passed == caller.descriptors.end()) return;
    directory_ = std::make_shared<const ops::ClientDirectory>(
        os::Dir(std::move(passed->second)), caller.peer,
        fmt::format("the context \"{}\" ({})", name, shown_url(value)));
  }

  void run() {
    dockerfile::NamedContext context{name_, value_, {}};
    if (value_.starts_with(kImage)) {
      context.value = value_.substr(kImage.size());
      context.from = image(context.value);
    } else if (value_.starts_with(kLayout)) {
      context.value = "OCI load from client";
      context.from = layout(value_.substr(kLayout.size()));
    } else if (directory_) {
      inputs_.directories.emplace(context.local_name(), directory_);
      context.from = dockerfile::LocalContext{read_own_ignore(*directory_)};
    } else if (auto remote = dockerfile::parse_remote_context(value_, false)) {
      context.value = shown_url(value_);
      std::visit([&](auto& source) { context.from = std::move(source); }, *remote);
    } else {
      throw Error(Errc::invalid_input,
                  "want a directory, the URL of a git repository or a file, docker-image://IMAGE "
                  "or oci-layout://DIRECTORY[:TAG]");
    }
    const std::string name = context.name;
    if (!inputs_.contexts.emplace(name, std::move(context)).second)
      throw Error(Errc::invalid_input, "\"{}\" is given twice", name);
  }

 private:
  static dockerfile::ImageContext image(const std::string& reference) {
    if (reference == "scratch") return {};
    return {Reference::parse(reference).or_latest(), false};
  }

  dockerfile::ImageContext layout(const std::string& place) {
    if (!directory_)
      throw Error(Errc::invalid_input, "the request has no descriptor of the layout");
    OciLayout layout{directory_, "latest", std::nullopt};
    const std::size_t at = place.find('@');
    if (at != std::string::npos) layout.digest = Digest::parse(place.substr(at + 1));
    const std::string path = place.substr(0, at);
    const std::size_t colon = path.rfind(':');
    if (colon != std::string::npos && path.find('/', colon) == std::string::npos)
      layout.tag = path.substr(colon + 1);
    inputs_.layouts.emplace(name_, std::move(layout));
    Reference reference = Reference::parse(name_.substr(0, name_.find("::")));
    return {reference.or_latest(), true};
  }

  std::string name_;
  const std::string& value_;
  NamedInputs& inputs_;
  std::shared_ptr<const ops::ClientDirectory> directory_;
};

}  // namespace

NamedInputs open_named_contexts(const BuildRequest& request, Caller& caller) {
  NamedInputs inputs;
  for (const auto& [name, value] : request.named_contexts) {
    within(fmt::format("--build-context {}={}", name, shown_url(value)),
           [&] { Opening(name, value, caller, inputs).run(); });
  }
  return inputs;
}

}  // namespace kiln
