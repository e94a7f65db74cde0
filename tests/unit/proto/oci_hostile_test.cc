// Documents that somebody wrote to break us: always Error{corrupt}, and soon.
#include <gmock/gmock.h>

#include <ctime>
#include <functional>

#include "proto/error.h"
#include "proto/oci.h"

namespace kiln::oci {
namespace {

void expect_corrupt(const std::function<void()>& parse, const std::string& what) {
  try {
    parse();
    ADD_FAILURE() << "accepted " << what.substr(0, 200);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::corrupt) << what.substr(0, 200) << ": " << error.what();
    EXPECT_LT(std::string(error.what()).size(), 1000U);
  }
}
void expect_bad_manifest(const std::string& json) {
  expect_corrupt([&] { (void)parse_manifest(json); }, json);
}
void expect_bad_config(const std::string& json) {
  expect_corrupt([&] { (void)parse_config(json); }, json);
}

TEST(Hostile, WhatIsNotAnObjectIsCorrupt) {
  for (const char* json : {"", " ", "null", "1", "[]", "\"x\"", "{", "{}x", "{\"a\":}", "\xff",
                           "{\"a\":\"\xff\"}", "{'a':1}", "{\"a\":NaN}"}) {
    expect_bad_manifest(json);
    expect_bad_config(json);
    expect_corrupt([&] { (void)parse_index(json); }, json);
    expect_corrupt([&] { (void)media_type_of(json); }, json);
  }
}

const std::string kGood = R"({"mediaType":"a/b","digest":")" + sha256("x").str() + R"(","size":1})";

TEST(Hostile, WrongTypesInAManifestNameTheField) {
  expect_bad_manifest("{}");
  expect_bad_manifest(R"({"config":null})");
  expect_bad_manifest(R"({"config":[]})");
  expect_bad_manifest(R"({"config":{}})");
  expect_bad_manifest(R"({"config":{"mediaType":1,"digest":"x","size":1}})");
  for (const char* layers : {"{}", "1", "[1]", "[null]", "[[]]", "[{}]"})
    expect_bad_manifest("{\"config\":" + kGood + ",\"layers\":" + layers + "}");
  expect_bad_manifest("{\"mediaType\":{},\"config\":" + kGood + "}");
  expect_bad_manifest("{\"schemaVersion\":\"2\",\"config\":" + kGood + "}");
  expect_bad_manifest("{\"config\":" + kGood + ",\"annotations\":{\"a\":1}}");
  expect_bad_manifest("{\"config\":" + kGood + ",\"annotations\":[]}");
}

TEST(Hostile, SizesAreWholeNumbersThatFit) {
  for (const char* size : {"-1", "1.5", "1e3", "\"1\"", "true", "18446744073709551616", "[]"}) {
    expect_bad_manifest(R"({"config":{"mediaType":"a/b","digest":")" + sha256("x").str() +
                        R"(","size":)" + size + "}}");
  }
  const std::string largest = R"({"config":{"mediaType":"a/b","digest":")" + sha256("x").str() +
                              R"(","size":18446744073709551615}})";
  EXPECT_EQ(parse_manifest(largest).config.size_bytes, 18446744073709551615ULL);
}

TEST(Hostile, ADigestCannotBeAPath) {
  for (const char* digest : {"", "sha256:../../etc/passwd", "sha512:00", "sha256:"})
    expect_bad_manifest(R"({"config":{"mediaType":"a/b","size":1,"digest":")" +
                        std::string(digest) + "\"}}");
}

TEST(Hostile, WrongTypesInAConfigurationNameTheField) {
  for (const char* json : {R"({"config":1})",
                           R"({"config":{"Env":"A=b"}})",
                           R"({"config":{"Env":[1]}})",
                           R"({"config":{"Cmd":"x"}})",
                           R"({"config":{"Labels":{"a":1}}})",
                           R"({"config":{"Labels":["a"]}})",
                           R"({"config":{"User":1}})",
                           R"({"config":{"Volumes":["/a"]}})",
                           R"({"config":{"Healthcheck":"x"}})",
                           R"({"config":{"Healthcheck":{"Retries":"3"}}})",
                           R"({"config":{"Healthcheck":{"Retries":3000000000}}})",
                           R"({"config":{"Healthcheck":{"Interval":18446744073709551615}}})",
                           R"({"config":{"ArgsEscaped":1}})",
                           R"({"rootfs":[]})",
                           R"({"rootfs":{"diff_ids":[1]}})",
                           R"({"rootfs":{"diff_ids":["sha256:x"]}})",
                           R"({"history":{}})",
                           R"({"history":[1]})",
                           R"({"history":[{"empty_layer":"yes"}]})",
                           R"({"os":1})",
                           R"({"created":1})"}) {
    expect_bad_config(json);
  }
  try {
    (void)parse_config(R"({"config":{"Env":"A=b"}})");
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("\"Env\""));
  }
}

TEST(Hostile, DeepNestingIsCorruptAndNoCrash) {
  for (const std::size_t depth : {40U, 100'000U, 2'000'000U}) {
    expect_bad_manifest(R"({"a":)" + std::string(depth, '[') + std::string(depth, ']') + "}");
    expect_bad_manifest(R"({"a":)" + std::string(depth, '['));
  }
  std::string objects;
  for (int i = 0; i < 100'000; ++i)
    objects += R"({"a":)";
  expect_bad_config(objects);
}

TEST(Hostile, NestingThatRealDocumentsMayHaveIsRead) {
  EXPECT_NO_THROW(
      (void)parse_config(R"({"a":)" + std::string(20, '[') + std::string(20, ']') + "}"));
}

TEST(Hostile, AHugeDocumentIsRefusedBeforeItIsParsed) {
  expect_bad_manifest("{\"a\":\"" + std::string(kMaxDocumentBytes, 'x') + "\"}");
}

TEST(Hostile, ManyKeysTakeNoLongTime) {
  for (const bool nested : {false, true}) {
    std::string keys;
    for (int i = 0; keys.size() < kMaxDocumentBytes - 100; ++i)
      keys += fmt::format("{}\"{}\":0", i ? "," : "", i);
    const std::string json = nested ? R"({"config":{"Labels":{)" + keys + "}}}" : "{" + keys + "}";
    const std::clock_t start = std::clock();
    expect_bad_config(json);
    EXPECT_LT((std::clock() - start) / CLOCKS_PER_SEC, 10);
  }
}

TEST(Hostile, ManySmallObjectsAreNoProblem) {
  std::string json = R"({"manifests":[)";
  for (int i = 0; i < 20'000; ++i)
    json += (i ? "," : "") + kGood;
  json += "]}";
  ASSERT_LT(json.size(), kMaxDocumentBytes);
  const std::clock_t start = std::clock();
  EXPECT_EQ(parse_index(json).manifests.size(), 20'000U);
  EXPECT_LT((std::clock() - start) / CLOCKS_PER_SEC, 10);
}

TEST(Hostile, AMillionEmptyObjectsTakeNoLongTime) {
  std::string json = R"({"layers":[{})";
  while (json.size() < kMaxDocumentBytes - 10)
    json += ",{}";
  json += "]}";
  const std::clock_t start = std::clock();
  expect_bad_manifest(json);
  EXPECT_LT((std::clock() - start) / CLOCKS_PER_SEC, 10);
}

}  // namespace
}  // namespace kiln::oci
