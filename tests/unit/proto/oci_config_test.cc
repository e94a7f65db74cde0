#include <gmock/gmock.h>

#include "proto/error.h"
#include "proto/oci.h"

namespace kiln::oci {
namespace {

using testing::ElementsAre;

ImageConfig full() {
  ImageConfig config;
  config.created = "2026-01-02T03:04:05Z";
  config.author = "me";
  config.platform = Platform::parse("linux/arm/v6");
  config.config = {.user = "1000:1000",
                   .exposed_ports = {"53/udp", "8000/tcp"},
                   .env = {"PATH=/bin", "A=b=c", "EMPTY="},
                   .entrypoint = {{"/entry", "a b"}},
                   .cmd = {{"-x"}},
                   .volumes = {"/data"},
                   .working_dir = "/w",
                   .labels = {{"a", "1"}, {"b", ""}},
                   .stop_signal = "SIGINT",
                   .shell = {{"/bin/bash", "-c"}},
                   .healthcheck = Healthcheck{{"CMD", "true"}, 1'000'000'000, 2, 3, 4, 5},
                   .on_build = {"RUN x"},
                   .args_escaped = true};
  config.diff_ids = {{sha256("a")}, {sha256("b")}};
  config.history = {{"2026-01-02T03:04:05Z", "COPY . .", "me", "kiln", false},
                    {"", "ENV A=b", "", "", true}};
  return config;
}

TEST(ImageConfig, ComesBackAsItWasWritten) {
  const ImageConfig config = full();
  const ImageConfig again = parse_config(to_json(config));
  EXPECT_EQ(again.created, config.created);
  EXPECT_EQ(again.author, config.author);
  EXPECT_EQ(again.platform, config.platform);
  EXPECT_EQ(again.config, config.config);
  EXPECT_EQ(again.diff_ids, config.diff_ids);
  EXPECT_EQ(again.history, config.history);
  EXPECT_EQ(to_json(again), to_json(config));
}

TEST(ImageConfig, LeavesEmptyListsOutAsDockerDoes) {
  ImageConfig config = full();
  config.config.entrypoint = std::vector<std::string>{};
  config.config.cmd = std::vector<std::string>{};
  config.config.shell.reset();
  const ImageConfig again = parse_config(to_json(config));
  EXPECT_FALSE(again.config.entrypoint);
  EXPECT_FALSE(again.config.cmd);
  EXPECT_FALSE(again.config.shell);
}

TEST(ImageConfig, NullsOfDockerAreNothing) {
  const ImageConfig config = parse_config(
      R"({"architecture":"amd64","os":"linux","created":null,"config":{"Cmd":null,"Env":null,)"
      R"("Labels":null,"Volumes":null,"Healthcheck":null,"Hostname":"","Tty":false},)"
      R"("rootfs":{"type":"layers","diff_ids":null},"history":null})");
  EXPECT_FALSE(config.config.cmd);
  EXPECT_TRUE(config.diff_ids.empty());
  EXPECT_TRUE(config.history.empty());
}

TEST(ImageConfig, PortsAndVolumesAreSorted) {
  const ImageConfig config = parse_config(
      R"({"config":{"ExposedPorts":{"9/tcp":{},"10/tcp":{}},"Volumes":{"/b":{},"/a":{}}}})");
  EXPECT_THAT(config.config.exposed_ports, ElementsAre("10/tcp", "9/tcp"));
  EXPECT_THAT(config.config.volumes, ElementsAre("/a", "/b"));
}

TEST(ImageConfig, BytesThatAreNotTextDoNotBreakTheDocument) {
  ImageConfig config = full();
  config.history[0].created_by = "COPY \xff\xfe /";
  EXPECT_NO_THROW((void)parse_config(to_json(config)));
}

TEST(ImageConfig, AnArchitectureOfTheFutureIsKeptAsItIs) {
  const ImageConfig config = parse_config(R"({"os":"linux","architecture":"quantum/64"})");
  EXPECT_EQ(config.platform.architecture, "quantum/64");
}

}  // namespace
}  // namespace kiln::oci
