#include "proto/platform.h"

#include <gmock/gmock.h>

#include "proto/error.h"

namespace kiln {
namespace {

TEST(Platform, AliasesAreBroughtToOneForm) {
  const std::pair<const char*, const char*> cases[] = {
      {"linux/amd64", "linux/amd64"},       {"linux/x86_64", "linux/amd64"},
      {"linux/x86-64", "linux/amd64"},      {"linux/amd64/v1", "linux/amd64"},
      {"linux/amd64/v3", "linux/amd64/v3"}, {"Linux/AMD64", "linux/amd64"},
      {"linux/arm64", "linux/arm64"},       {"linux/aarch64", "linux/arm64"},
      {"linux/arm64/v8", "linux/arm64"},    {"linux/arm64/8", "linux/arm64"},
      {"linux/arm", "linux/arm/v7"},        {"linux/arm/7", "linux/arm/v7"},
      {"linux/arm/v6", "linux/arm/v6"},     {"linux/armhf", "linux/arm/v7"},
      {"linux/armel", "linux/arm/v6"},      {"linux/i386", "linux/386"},
      {"linux/riscv64", "linux/riscv64"},   {"macos/arm64", "darwin/arm64"},
      {"windows/amd64", "windows/amd64"},
  };
  for (const auto& [text, normal] : cases) {
    EXPECT_EQ(Platform::parse(text).str(), normal) << text;
    EXPECT_EQ(Platform::parse(normal).str(), normal);
  }
}

TEST(Platform, OneWordIsAnArchitectureOrAnOperatingSystem) {
  EXPECT_EQ(Platform::parse("arm64").str(), "linux/arm64");
  EXPECT_EQ(Platform::parse("linux"), Platform::host());
}

TEST(Platform, TheHostIsWrittenInTheSameWords) {
  EXPECT_EQ(Platform::parse(Platform::host().str()), Platform::host());
}

TEST(Platform, OtherTextsAreRefused) {
  for (const char* text : {"", "/", "linux/", "/amd64", "linux/arm/v7/x", "linux amd64", "a/b c",
                           "linux//v7", "*", "linux/\xc3\xa4"}) {
    try {
      (void)Platform::parse(text);
      ADD_FAILURE() << "accepted " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::invalid_input);
      EXPECT_THAT(error.what(), testing::HasSubstr("os/architecture"));
    }
  }
}

std::optional<int> distance(const char* wanted, const char* offered) {
  return Platform::parse(wanted).distance(Platform::parse(offered));
}

TEST(Platform, OlderVariantsRunAndNewerOnesDoNot) {
  EXPECT_EQ(distance("linux/arm/v7", "linux/arm/v7"), 0);
  EXPECT_EQ(distance("linux/arm/v7", "linux/arm/v6"), 1);
  EXPECT_EQ(distance("linux/arm/v7", "linux/arm/v5"), 2);
  EXPECT_EQ(distance("linux/arm/v6", "linux/arm/v7"), std::nullopt);
  EXPECT_EQ(distance("linux/amd64/v3", "linux/amd64"), 2);
  EXPECT_EQ(distance("linux/amd64", "linux/amd64/v2"), std::nullopt);
  EXPECT_EQ(distance("linux/arm64", "linux/arm64/v8"), 0);
}

TEST(Platform, OtherSystemsAndArchitecturesDoNotRun) {
  EXPECT_EQ(distance("linux/amd64", "linux/arm64"), std::nullopt);
  EXPECT_EQ(distance("linux/amd64", "windows/amd64"), std::nullopt);
  EXPECT_EQ(distance("linux/amd64", "linux/386"), std::nullopt);
}

}  // namespace
}  // namespace kiln
