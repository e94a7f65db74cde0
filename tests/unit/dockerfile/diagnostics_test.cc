#include "tests/unit/dockerfile/build_support.h"

namespace kiln::dockerfile {
namespace {

using testing::HasSubstr;
using testing::SizeIs;
using testing::StartsWith;

TEST(Diagnostics, ShowThePlaceAndWhatWasMeant) {
  EXPECT_EQ(error_text("FROM scratch\nWORKDIR /app\nCOPPY . .\n"),
            "Dockerfile:3:1: unknown instruction \"COPPY\"; did you mean COPY?\n"
            "    2 | WORKDIR /app\n"
            ">>> 3 | COPPY . .\n"
            "      | ^");
}

TEST(Diagnostics, ReportSeveralMistakesAtOnce) {
  try {
    (void)Document::parse("Dockerfile", "FROM scratch\nRUNN a\nCOPY x\n");
    FAIL();
  } catch (const DockerfileError& error) {
    EXPECT_THAT(error.diagnostics(), SizeIs(2));
    EXPECT_THAT(error.what(), HasSubstr("did you mean RUN?"));
    EXPECT_THAT(error.what(), HasSubstr("Dockerfile:3:1: COPY requires at least two arguments"));
  }
}

TEST(Diagnostics, PointIntoContinuationLines) {
  EXPECT_EQ(error_text("FROM scratch\nCOPY \\\n\t--chwon=1 a b\n"),
            "Dockerfile:3:2: unknown flag --chwon of COPY; did you mean --chown?\n"
            "    2 | COPY \\\n"
            ">>> 3 | \t--chwon=1 a b\n"
            "      | \t^");
}

TEST(Diagnostics, AlignNumbersAndCarets) {
  std::string text = "FROM scratch\n";
  for (int i = 0; i < 8; ++i)
    text += "ENV A=1\n";
  EXPECT_EQ(error_text(text + "ENV É=${x:?y}\n"),
            "Dockerfile:10:8: failed to process \"${x:?y}\": x: y\n"
            "     9 | ENV A=1\n"
            ">>> 10 | ENV É=${x:?y}\n"
            "       |       ^");
}

TEST(Diagnostics, NameUnsupportedFlags) {
  EXPECT_THAT(error_text("FROM scratch\nRUN --device=vendor.com/gpu=all make\n"),
              StartsWith("Dockerfile:2:5: unknown flag --device of RUN"));
}

TEST(Diagnostics, AreOnlyAboutStagesThatAreNeeded) {
  const std::string text = "FROM scratch AS a\nRUN --mount=type=shh x\nFROM scratch\nCMD [\"x\"]\n";
  EXPECT_EQ(error_text(text), "");
  LowerOptions options = test_options();
  options.target = "a";
  EXPECT_THAT(error_text(text, options), HasSubstr("unsupported mount type"));
}

TEST(Syntax, IsBuiltInForTheOfficialImage) {
  for (const std::string image :
       {"docker/dockerfile:1", "docker/dockerfile:1.7-labs", "docker.io/docker/dockerfile:1",
        "docker/dockerfile", "docker/dockerfile-upstream:master",
        "docker/"
        "dockerfile:1@sha256:ac85f380a63b13dfcefa89046420e1781752bab202122f8f50032edf31be0021"})
    EXPECT_EQ(error_text("# syntax=" + image + "\nFROM scratch\n"), "") << image;
}

TEST(Syntax, RefusesOtherFrontends) {
  EXPECT_THAT(error_text("# syntax=example.org/front:1\nFROM scratch\n"),
              StartsWith("Dockerfile:1: frontend image \"example.org/front:1\" is not supported"));
  EXPECT_THAT(error_text("// syntax=example.org/front:1\nsome other language\n"),
              StartsWith("Dockerfile:1: frontend image"));
  EXPECT_THAT(error_text("{\"syntax\": \"example.org/front:1\"}\n"), HasSubstr("frontend image"));
  EXPECT_THAT(error_text("#!/usr/bin/x\n# syntax=example.org/front:1\nFROM scratch\n"),
              HasSubstr("frontend image"));
}

TEST(Syntax, CanBeOverridden) {
  LowerOptions options = test_options();
  options.build_args["BUILDKIT_SYNTAX"] = "dockerfile.v0";
  EXPECT_EQ(error_text("# syntax=example.org/front:1\nFROM scratch\n", options), "");
  options.build_args["BUILDKIT_SYNTAX"] = "example.org/front:1";
  EXPECT_THAT(error_text("FROM scratch\n", options), HasSubstr("frontend image"));
}

}  // namespace
}  // namespace kiln::dockerfile
