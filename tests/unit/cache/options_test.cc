#include "builder/cache/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/error.h"

namespace kiln::cache {
namespace {

using testing::HasSubstr;

std::string refused(const CacheOption& option) {
  try {
    (void)parse_export(option);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::invalid_input);
    return error.what();
  }
  return "";
}

TEST(ParseExport, TakesWhatBuildxUsersWrite) {
  const ExportOption option = parse_export({"registry",
                                            {{"ref", "example.org/cache:main"},
                                             {"mode", "max"},
                                             {"compression", "gzip"},
                                             {"oci-mediatypes", "true"},
                                             {"image-manifest", "true"},
                                             {"ignore-error", "true"}}});
  EXPECT_EQ(option.name, "example.org/cache:main");
  EXPECT_TRUE(option.all_steps);
  EXPECT_TRUE(option.ignore_error);
  EXPECT_FALSE(parse_export({"registry", {{"ref", "a"}}}).all_steps);
  EXPECT_EQ(parse_export({"inline", {{"mode", "min"}}}).where, Where::inline_);
}

TEST(ParseExport, NamesWhatItRefuses) {
  EXPECT_THAT(refused({"gha", {}}), HasSubstr("type=gha"));
  EXPECT_THAT(refused({"s3", {{"bucket", "b"}}}), HasSubstr("type=s3"));
  EXPECT_THAT(refused({"tape", {}}), HasSubstr("type=tape"));
  EXPECT_THAT(refused({"registry", {}}), HasSubstr("ref="));
  EXPECT_THAT(refused({"registry", {{"ref", "UPPER case"}}}), HasSubstr("UPPER"));
  EXPECT_THAT(refused({"registry", {{"ref", "a"}, {"mode", "all"}}}), HasSubstr("mode=all"));
  EXPECT_THAT(refused({"registry", {{"ref", "a"}, {"compression", "zstd"}}}),
              HasSubstr("compression=zstd"));
  EXPECT_THAT(refused({"registry", {{"ref", "a"}, {"ignore-error", "1"}}}),
              HasSubstr("ignore-error=1"));
  EXPECT_THAT(refused({"registry", {{"ref", "a"}, {"dest", "b"}}}), HasSubstr("\"dest\""));
  EXPECT_THAT(refused({"inline", {{"mode", "max"}}}), HasSubstr("mode=max"));
  EXPECT_THAT(refused({"local", {}}), HasSubstr("dest="));
}

TEST(ParseImport, NamesWhatItRefuses) {
  EXPECT_EQ(parse_import({"registry", {{"ref", "a"}}}).name, "a");
  EXPECT_EQ(parse_import({"local", {{"src", "d"}, {"tag", "t"}}}).tag, "t");
  EXPECT_THROW((void)parse_import({"inline", {}}), Error);
  EXPECT_THROW((void)parse_import({"registry", {{"ref", "a"}, {"mode", "max"}}}), Error);
  EXPECT_THROW((void)parse_import({"local", {}}), Error);
}

}  // namespace
}  // namespace kiln::cache
