#include "builder/sandbox/engine.h"

#include <gmock/gmock.h>

namespace kiln::sandbox {
namespace {

TEST(Engine, ReadsTheVersionThatRuntimesPrint) {
  EXPECT_EQ(parse_version("crun version 1.8.1\ncommit: f8\nspec: 1.0.0\n"), "crun 1.8.1");
  EXPECT_EQ(parse_version("runc version 1.1.5+ds1\n"), "runc 1.1.5+ds1");
  EXPECT_EQ(parse_version(""), "");
}

TEST(Engine, FindsTheRuntimesErrorInItsLog) {
  EXPECT_EQ(logged_failure(""), std::nullopt);
  EXPECT_EQ(logged_failure("{\"level\":\"warning\",\"msg\":\"unable to get oom kill count\"}\n"),
            std::nullopt);
  EXPECT_EQ(logged_failure("not json\n"
                           "{\"level\":\"error\",\"msg\":\"runc run failed: unable to start "
                           "container process: exec: \\\"foo\\\": no\"}\n"),
            "exec: \"foo\": no");
}

TEST(Engine, KnowsWhichFailuresAreTheCommandsOwn) {
  struct Case {
    std::string text;
    std::optional<int> code;
  };
  const std::vector<Case> cases = {
      {"executable file `foo` not found in $PATH: No such file or directory", 127},
      {"exec: \"foo\": executable file not found in $PATH", 127},
      {"exec: \"/etc/x\": stat /etc/x: no such file or directory", 127},
      {"exec container process (missing dynamic library?) `/x`: No such file or directory", 127},
      {"open executable: Operation not permitted", 126},
      {"exec: \"/bin\": permission denied", 126},
      {"exec container process `/probe`: Exec format error", 126},
      {"mount `proc` to `/proc`: Operation not permitted", std::nullopt},
      {"chdir to cwd (\"/x\") set in config.json failed: no such file or directory", std::nullopt},
  };
  for (const Case& one : cases)
    EXPECT_EQ(command_fault(one.text), one.code) << one.text;
}

}  // namespace
}  // namespace kiln::sandbox
