#include "cli/commands/build_files.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "cli/errors.h"
#include "tests/unit/cli/scratch.h"

namespace kiln::cli {
namespace {

using test::Scratch;
using testing::ElementsAre;
using testing::HasSubstr;

std::string message(BuildRequest request, const std::string& file) {
  try {
    static_cast<void>(open_build_files(request, file));
  } catch (const Error& error) {
    return error.what();
  }
  return "opened";
}

TEST(BuildFiles, PassTheContextTheDockerfileAndItsIgnoreFile) {
  const Scratch scratch;
  scratch.write("Dockerfile", "FROM scratch\n");
  scratch.write("Dockerfile.dockerignore", "*.o\n");
  BuildRequest request;
  request.context_name = scratch.path();
  const BuildFiles files = open_build_files(request, "");
  EXPECT_THAT(request.descriptors, ElementsAre("context", "dockerfile", "dockerignore"));
  EXPECT_EQ(request.dockerfile_name, scratch / "Dockerfile");
  ASSERT_EQ(files.descriptors.size(), 3U);
  struct stat status{};
  ASSERT_EQ(::fstat(files.descriptors[0], &status), 0);
  EXPECT_TRUE(S_ISDIR(status.st_mode));
  EXPECT_EQ(read_all(files.descriptors[1], "x"), "FROM scratch\n");
  EXPECT_EQ(read_all(files.descriptors[2], "x"), "*.o\n");
  for (const int fd : files.descriptors)
    EXPECT_TRUE((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
}

TEST(BuildFiles, FallBackToTheLowerCaseName) {
  const Scratch scratch;
  scratch.write("dockerfile", "FROM scratch\n");
  BuildRequest request;
  request.context_name = scratch.path();
  const BuildFiles files = open_build_files(request, "");
  EXPECT_EQ(request.dockerfile_name, scratch / "dockerfile");
}

TEST(BuildFiles, ReadADockerfileThatIsAPipeToItsEnd) {
  const Scratch scratch;
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Fd reader(ends[0]);
  {
    const Fd writer(ends[1]);
    write_all(writer.get(), "FROM scratch\n", "pipe");
  }
  BuildRequest request;
  request.context_name = scratch.path();
  const BuildFiles files = open_build_files(request, fmt::format("/dev/fd/{}", reader.get()));
  struct stat status{};
  ASSERT_EQ(::fstat(files.descriptors[1], &status), 0);
  EXPECT_TRUE(S_ISREG(status.st_mode));
  EXPECT_EQ(read_all(files.descriptors[1], "x"), "FROM scratch\n");
}

TEST(BuildFiles, NameWhatCannotBeOpened) {
  const Scratch scratch;
  const std::string file = scratch.write("file", "");
  BuildRequest request;
  request.context_name = scratch.path();
  EXPECT_THAT(
      message(request, ""),
      HasSubstr("failed to read dockerfile: " + (scratch / "Dockerfile") + ": no such file"));
  EXPECT_THAT(message(request, "nowhere/Dockerfile"),
              HasSubstr("failed to read dockerfile: nowhere/Dockerfile: no such file"));
  EXPECT_THAT(message(request, scratch.path()), HasSubstr("it is a directory"));
  request.context_name = scratch / "missing";
  EXPECT_THAT(message(request, ""), HasSubstr("build context \"" + (scratch / "missing") + "\""));
  request.context_name = file;
  EXPECT_THAT(message(request, ""), HasSubstr("not a directory"));
  request.context_name = "-";
  EXPECT_THAT(message(request, "-"), HasSubstr("only one can be read from stdin"));
}

TEST(BuildFiles, LeaveUrlsToTheDaemon) {
  BuildRequest request;
  for (const char* url :
       {"https://example.com/a/b.git", "git@example.com:b.git", "github.com/a/b"}) {
    request.context_name = url;
    EXPECT_EQ(message(request, ""), "opened") << url;
  }
}

TEST(BuildFiles, PassStdinAsTheContextAndLookForNoDockerfileHere) {
  BuildRequest request;
  request.context_name = "-";
  if (::isatty(STDIN_FILENO) == 1) GTEST_SKIP() << "stdin is a terminal";
  const BuildFiles files = open_build_files(request, "docker/Dockerfile");
  EXPECT_THAT(request.descriptors, ElementsAre("context"));
  EXPECT_EQ(request.dockerfile_name, "docker/Dockerfile");
}

TEST(BuildFiles, FallBackToTheLowerCaseNameOfANamedFileToo) {
  const Scratch scratch;
  scratch.write("dockerfile", "FROM scratch\n");
  BuildRequest request;
  request.context_name = scratch.path();
  const BuildFiles files = open_build_files(request, scratch / "Dockerfile");
  EXPECT_EQ(request.dockerfile_name, scratch / "dockerfile");
}

TEST(BuildFiles, SuggestWhatTheContextHasInsteadOfADockerfile) {
  const Scratch scratch;
  scratch.write("Containerfile", "FROM scratch\n");
  BuildRequest request;
  request.context_name = scratch.path();
  EXPECT_THAT(message(request, ""),
              HasSubstr("there is " + (scratch / "Containerfile") + ": name it with --file"));
}

TEST(BuildFiles, NumberOutputsByTheirPlaceInTheRequest) {
  const Scratch scratch;
  scratch.write("Dockerfile", "FROM scratch\n");
  BuildRequest request;
  request.context_name = scratch.path();
  request.outputs = {{"image", {}},
                     {"tar", {{"dest", scratch / "a.tar"}}},
                     {"local", {{"dest", scratch / "deep/out"}}}};
  BuildFiles files = open_build_files(request, "");
  EXPECT_THAT(request.descriptors, ElementsAre("context", "dockerfile", "output:1", "output:2"));
  write_all(files.descriptors[2], "tar", "a.tar");
  EXPECT_TRUE(std::filesystem::is_directory(scratch / "deep/out"));
  EXPECT_FALSE(std::filesystem::exists(scratch / "a.tar")) << "not before it is whole";
  for (OutputFile& output : files.outputs)
    output.commit();
  EXPECT_EQ(read_file(scratch / "a.tar"), "tar");
}

TEST(OutputFile, LeavesTheOldFileWhenItIsNotCommitted) {
  const Scratch scratch;
  scratch.write("a.tar", "old");
  {
    const OutputFile output = OutputFile::file(scratch / "a.tar");
    write_all(output.descriptor(), "half", "a.tar");
  }
  EXPECT_EQ(read_file(scratch / "a.tar"), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(scratch.path()), {}), 1)
      << "no temporary file is left";
}

TEST(OutputFile, HasTheModeOfANewFile) {
  const Scratch scratch;
  const mode_t mask = ::umask(027);
  OutputFile output = OutputFile::file(scratch / "a.tar");
  ::umask(mask);
  output.commit();
  struct stat status{};
  ASSERT_EQ(::stat((scratch / "a.tar").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0640U);
}

TEST(OutputFile, WritesADeviceInPlace) {
  OutputFile output = OutputFile::file("/dev/null");
  output.commit();
  struct stat status{};
  ASSERT_EQ(::stat("/dev/null", &status), 0);
  EXPECT_TRUE(S_ISCHR(status.st_mode));
}

}  // namespace
}  // namespace kiln::cli
