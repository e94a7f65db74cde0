#include "builder/sandbox/cni.h"

#include <array>
#include <nlohmann/json.hpp>
#include <vector>

#include "builder/os/process.h"
#include "builder/sandbox/programs.h"
#include "proto/error.h"

namespace kiln::sandbox {

namespace asio = boost::asio;
using nlohmann::json;

namespace {

std::string network_configuration() {
  return json{{"cniVersion", "1.0.0"},
              {"name", "kiln"},
              {"type", "bridge"},
              {"bridge", kBridgeName},
              {"isDefaultGateway", true},
              {"ipMasq", false},  // allow_forwarding() does it for the whole subnet
              {"ipam",
               {{"type", "host-local"},
                {"ranges", json::array({json::array({{{"subnet", kBridgeSubnet}}})})}}}}
      .dump();
}

/// A plugin answers with {"code", "msg", "details"} on stdout.
std::string plugin_words(const os::Output& output) {
  const json answer = json::parse(output.out, nullptr, false);
  if (answer.is_object() && answer.contains("msg")) {
    const std::string details = answer.value("details", "");
    return answer.value("msg", "") + (details.empty() ? "" : ": " + details);
  }
  if (!output.err.empty()) return output.err;
  return output.status.signal != 0 ? fmt::format("killed by signal {}", output.status.signal)
                                   : fmt::format("exit code {}", output.status.code);
}

asio::awaitable<void> call_bridge(std::string command, CniAttachment attachment) {
  std::vector<std::string> env = runtime_environment();
  env.push_back("CNI_COMMAND=" + command);
  env.push_back("CNI_CONTAINERID=" + attachment.container_id);
  env.push_back("CNI_NETNS=" + attachment.namespace_path.string());
  env.push_back("CNI_IFNAME=eth0");
  env.push_back("CNI_PATH=" + attachment.plugins.string());
  std::vector<std::string> argv;
  argv.push_back((attachment.plugins / "bridge").string());
  const os::Output output =
      co_await os::run_command(std::move(argv), std::move(env), network_configuration());
  if (output.status.ok()) co_return;
  throw Error(Errc::unavailable, "network plugin {}, {}: {}",
              (attachment.plugins / "bridge").string(), command, plugin_words(output));
}

asio::awaitable<os::Output> call_iptables(std::filesystem::path iptables,
                                          std::string action,
                                          std::vector<std::string> rule) {
  std::vector<std::string> argv = {iptables.string(), "--wait", "5"};
  // "-t TABLE" goes in front of the action.
  argv.insert(argv.end(), rule.begin(), rule.begin() + 2);
  argv.push_back(std::move(action));
  argv.insert(argv.end(), rule.begin() + 2, rule.end());
  co_return co_await os::run_command(std::move(argv), runtime_environment(), "");
}

}  // namespace

asio::awaitable<void> cni_add(CniAttachment attachment) {
  co_await call_bridge("ADD", std::move(attachment));
}

asio::awaitable<void> cni_delete(CniAttachment attachment) {
  co_await call_bridge("DEL", std::move(attachment));
}

asio::awaitable<void> allow_forwarding(std::filesystem::path iptables) {
  // In front of what is there: Docker's FORWARD policy is DROP.
  const std::vector<std::vector<std::string>> rules = {
      {"-t", "nat", "POSTROUTING", "-s", kBridgeSubnet, "!", "-o", kBridgeName, "-j", "MASQUERADE"},
      {"-t", "filter", "FORWARD", "-i", kBridgeName, "-j", "ACCEPT"},
      {"-t", "filter", "FORWARD", "-o", kBridgeName, "-m", "conntrack", "--ctstate",
       "RELATED,ESTABLISHED", "-j", "ACCEPT"}};
  for (const auto& rule : rules) {
    const os::Output present = co_await call_iptables(iptables, "-C", rule);
    if (present.status.ok()) continue;
    const os::Output added = co_await call_iptables(iptables, "-I", rule);
    if (!added.status.ok()) throw Error(Errc::unavailable, "iptables: {}", added.err);
  }
}

}  // namespace kiln::sandbox
