// The program itself, against a server that the test scripts: exit codes and what goes to which
// output.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/process.h"
#include "tests/unit/cli/scratch.h"
#include "tests/unit/cli/tiny_server.h"

namespace kiln::cli {
namespace {

using test::answer;
using test::chunk;
using test::ReceivedRequest;
using test::Scratch;
using test::stream_head;
using test::TinyServer;
using testing::EndsWith;
using testing::HasSubstr;

class KilnTest : public testing::Test {
 protected:
  ProcessResult run(std::vector<std::string> args, std::string_view input = "") {
    args.insert(args.begin(), {KILN_BINARY, "--host", "unix://" + socket_});
    settle();  // what was looked at may be written again
    ProcessResult result = run_process(args, input).value();
    settle();
    return result;
  }

  void settle() {
    if (server_) server_->settle();
  }

  /// Answers every request with `text`, and keeps the last request.
  void serve(std::string text) {
    text_ = std::move(text);
    server_.emplace(socket_, [this](const ReceivedRequest& request, int socket) {
      line_ = request.line;
      body_ = request.body;
      for (std::size_t i = 0; i < request.descriptors.size(); ++i) {
        if (request.body.contains("output:0") && i + 1 == request.descriptors.size())
          write_all(request.descriptors[i].get(), "archive", "output");
      }
      write_all(socket, text_, "socket");
    });
  }
  void serve_events(const std::string& events) { serve(stream_head() + chunk(events) + chunk("")); }

  std::string context() {
    scratch_.write("context/Dockerfile", "FROM scratch\n");
    return scratch_ / "context";
  }

  Scratch scratch_;
  std::string socket_ = scratch_ / "s.sock";
  std::string text_;
  std::string line_;
  std::string body_;
  std::optional<TinyServer> server_;
};

const std::string kBuilt =
    R"({"event":"step_started","step":1,"name":"[1/1] RUN x"}
{"event":"step_log","step":1,"stream":1,"text":"hello\n"}
{"event":"step_ended","step":1,"outcome":"done","duration_ms":100}
{"event":"finished","build_id":"b1","image_digest":"sha256:aa","config_digest":"sha256:bb","names":["app:1"],"metadata":{"k":"{\"a\":1}"}}
)";
const std::string kFailedRun =
    R"({"event":"step_started","step":1,"name":"[1/1] RUN false"}
{"event":"failed","code":"step_failed","message":"Dockerfile:1: RUN false failed","step":1,"exit_code":9,"log_tail":["oh no"]}
)";

TEST_F(KilnTest, BuildsAndWritesProgressToStderrOnly) {
  serve_events(kBuilt);
  const ProcessResult result = run({"build", "-t", "app:1", context()});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.output, "");
  EXPECT_THAT(result.errors, HasSubstr("#1 [1/1] RUN x\n"));
  EXPECT_THAT(result.errors, HasSubstr(" hello\n#1 DONE 0.1s\n\nimage sha256:aa\nnamed app:1\n"));
  EXPECT_EQ(line_, "POST /kiln/v1/builds HTTP/1.1");
  EXPECT_THAT(body_, HasSubstr(R"("tags":["app:1"])"));
  EXPECT_THAT(body_, HasSubstr(R"("descriptors":["context","dockerfile"])"));
}

TEST_F(KilnTest, QuietPrintsTheDigestAndNothingElse) {
  serve_events(kBuilt);
  const ProcessResult result = run({"build", "-q", context()});
  EXPECT_EQ(result.output, "sha256:aa\n");
  EXPECT_EQ(result.errors, "");
}

TEST_F(KilnTest, JsonPrintsTheEventsAsReceived) {
  serve_events(kBuilt);
  EXPECT_EQ(run({"build", "--progress=json", context()}).output, kBuilt);
}

TEST_F(KilnTest, WritesTheDigestAndTheMetadataToFiles) {
  serve_events(kBuilt);
  ASSERT_EQ(
      run({"build", "--iidfile", scratch_ / "id", "--metadata-file", scratch_ / "meta", context()})
          .exit_code,
      0);
  EXPECT_EQ(read_file(scratch_ / "id"), "sha256:aa");
  EXPECT_EQ(read_file(scratch_ / "meta"),
            "{\n  \"kiln.build.id\": \"b1\",\n  \"containerimage.digest\": \"sha256:aa\",\n"
            "  \"containerimage.config.digest\": \"sha256:bb\",\n  \"image.name\": "
            "\"docker.io/library/app:1\",\n"
            "  \"k\": {\n    \"a\": 1\n  }\n}\n");
}

TEST_F(KilnTest, AFailedBuildIsExitCode1AndLeavesNoResult) {
  serve_events(kFailedRun);
  scratch_.write("id", "old");
  scratch_.write("out.tar", "old");
  const ProcessResult result = run({"build", "-q", "--iidfile", scratch_ / "id", "-o",
                                    "type=oci,dest=" + (scratch_ / "out.tar"), context()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.output, "");
  EXPECT_EQ(result.errors,
            "------\n > [1/1] RUN false:\noh no\n------\nERROR: Dockerfile:1: RUN false "
            "failed\nexit code: 9\n");
  EXPECT_FALSE(std::filesystem::exists(scratch_ / "id"));
  EXPECT_EQ(read_file(scratch_ / "out.tar"), "old");
}

TEST_F(KilnTest, WritesAnOutputToStdout) {
  serve_events(kBuilt);
  const ProcessResult result = run({"build", "-q", "-o", "-", context()});
  EXPECT_EQ(result.output, "archive");
  EXPECT_EQ(result.exit_code, 0);
}

TEST_F(KilnTest, TakesTheDockerfileFromStdin) {
  serve_events(kBuilt);
  EXPECT_EQ(run({"build", "-f", "-", scratch_.path()}, "FROM scratch\n").exit_code, 0);
  EXPECT_THAT(body_, HasSubstr(R"("dockerfile_name":"-")"));
}

TEST_F(KilnTest, ExitCodesTellMisuseFromFailureFromNoDaemon) {
  EXPECT_EQ(run({"build", context()}).exit_code, 3) << "nobody listens";
  EXPECT_EQ(run({"build"}).exit_code, 2);
  EXPECT_EQ(run({"build", "--call", "nonsense", "."}).exit_code, 2);
  EXPECT_EQ(run({"nonsense"}).exit_code, 2);
  EXPECT_EQ(run({}).exit_code, 2);
  EXPECT_EQ(run({"build", scratch_.path()}).exit_code, 1) << "no Dockerfile";
  serve(stream_head() + chunk("{\"event\":\"step_started\",\"step\":1}\n"));
  const ProcessResult lost = run({"build", context()});
  EXPECT_EQ(lost.exit_code, 3) << "the daemon hung up";
  EXPECT_THAT(lost.errors, HasSubstr("kiln: the daemon closed the connection"));
}

TEST_F(KilnTest, ListsImages) {
  serve(answer(
      R"([{"reference":"app:1","digest":"sha256:0123456789abcdef","platform":"linux/amd64","size_bytes":12300000,"created":"x"},)"
      R"({"reference":"other:1","digest":"sha256:ff","size_bytes":5}])"));
  EXPECT_EQ(run({"images"}).output,
            "NAME      DIGEST         PLATFORM      CREATED   SIZE\n"
            "app:1     0123456789ab   linux/amd64   x         12.3MB\n"
            "other:1   ff                                     5B\n");
  EXPECT_EQ(run({"images", "-q", "app"}).output, "sha256:0123456789abcdef\n");
  EXPECT_EQ(run({"images", "app:2"}).output, "NAME   DIGEST   PLATFORM   CREATED   SIZE\n");
}

TEST_F(KilnTest, AsksForImagesByEncodedName) {
  serve(answer(R"({"reference":"a","manifest":{"z":1,"a":2}})"));
  EXPECT_EQ(run({"inspect", "localhost:5000/a:1"}).output,
            "{\n  \"reference\": \"a\",\n  \"manifest\": {\n    \"z\": 1,\n    \"a\": 2\n  }\n}\n");
  EXPECT_EQ(line_, "GET /kiln/v1/images/inspect?name=localhost%3A5000%2Fa%3A1 HTTP/1.1");
}

TEST_F(KilnTest, TagsAndRemoves) {
  serve("HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(run({"tag", "a:1", "b:2"}).exit_code, 0);
  EXPECT_EQ(line_, "POST /kiln/v1/images/tag?source=a%3A1&target=b%3A2 HTTP/1.1");
  EXPECT_EQ(run({"rmi", "-f", "a:1"}).output, "Removed: a:1\n");
  EXPECT_EQ(line_, "DELETE /kiln/v1/images?name=a%3A1 HTTP/1.1");
}

TEST_F(KilnTest, SavesAndLoads) {
  serve_events(R"({"event":"finished","names":["app:1"]})"
               "\n");
  EXPECT_EQ(run({"save", "-o", scratch_ / "a.tar", "--format", "docker", "app:1"}).exit_code, 0);
  EXPECT_EQ(
      body_,
      R"({"references":["app:1"],"format":"docker","descriptors":["output:0"],"archive_name":")" +
          (scratch_ / "a.tar") + R"("})");
  EXPECT_EQ(read_file(scratch_ / "a.tar"), "archive");
  EXPECT_EQ(run({"load", "-q"}, "tar").output, "Loaded image: app:1\n");
  EXPECT_EQ(body_, R"({"descriptors":["context"],"archive_name":"stdin"})");
}

TEST_F(KilnTest, PullsAndPushes) {
  serve_events(kBuilt);
  EXPECT_EQ(run({"pull", "-q", "--platform", "linux/arm64", "alpine"}).output, "sha256:aa\n");
  EXPECT_EQ(body_, R"({"reference":"alpine","platform":"linux/arm64"})");
  EXPECT_EQ(run({"push", "app:1"}).exit_code, 0);
  EXPECT_EQ(line_, "POST /kiln/v1/images/push HTTP/1.1");
}

TEST_F(KilnTest, ShowsTheDaemonsTables) {
  serve(answer(
      R"({"rows":[{"kind":"blobs","count":3,"size_bytes":2000,"reclaimable_bytes":1000}]})"));
  EXPECT_EQ(run({"df"}).output,
            "KIND    COUNT   SIZE     RECLAIMABLE\nblobs   3       2.00kB   1.00kB\n");
  text_ = answer(R"({"records":2,"freed_bytes":1500})");
  EXPECT_EQ(run({"prune", "--all"}).output, "Removed 2 records\nFreed 1.50kB\n");
  EXPECT_EQ(body_, R"({"all":true})");
  text_ = answer(R"({"version":"9.9","api_version":1})");
  EXPECT_THAT(run({"version"}).output,
              EndsWith("daemon   9.9 (API 1) at unix://" + socket_ + "\n"));
  text_ = answer(R"({"entries":[["root","/var/lib/kiln"]]})");
  EXPECT_THAT(run({"info"}).output, HasSubstr("root             /var/lib/kiln\n"));
}

TEST_F(KilnTest, HelpExplainsEveryCommand) {
  const ProcessResult help = run({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  for (const char* name : {"build", "images", "inspect", "history", "tag", "rmi", "pull", "push",
                           "save", "load", "login", "logout", "prune", "df", "info", "version"}) {
    EXPECT_THAT(help.output, HasSubstr("\n  " + std::string(name) + " "));
    const ProcessResult one = run({name, "--help"});
    EXPECT_EQ(one.exit_code, 0) << name;
    EXPECT_THAT(one.output, HasSubstr("\nExamples:\n  kiln ")) << name;
    EXPECT_THAT(one.output, HasSubstr("\n  kiln " + std::string(name))) << name;
  }
}

}  // namespace
}  // namespace kiln::cli
