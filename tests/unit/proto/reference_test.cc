#include "proto/reference.h"

#include <gmock/gmock.h>

#include "proto/error.h"

namespace kiln {
namespace {

const std::string kHex(64, 'a');
const std::string kDigest = "sha256:" + kHex;

struct Case {
  std::string text;
  std::string complete;
  std::string familiar;
};

// source: distribution/reference's table of test cases, and what docker(1) accepts.
const Case kCases[] = {
    {"python", "docker.io/library/python", "python"},
    {"python:3.12-slim", "docker.io/library/python:3.12-slim", "python:3.12-slim"},
    {"library/python", "docker.io/library/python", "python"},
    {"docker.io/python", "docker.io/library/python", "python"},
    {"docker.io/library/python", "docker.io/library/python", "python"},
    {"index.docker.io/python", "docker.io/library/python", "python"},
    {"index.docker.io/a/b:1", "docker.io/a/b:1", "a/b:1"},
    {"user/app", "docker.io/user/app", "user/app"},
    {"a/b/c:x", "docker.io/a/b/c:x", "a/b/c:x"},
    {"library/a/b", "docker.io/library/a/b", "library/a/b"},
    {"localhost/app", "localhost/app", "localhost/app"},
    {"localhost:5000/app:1", "localhost:5000/app:1", "localhost:5000/app:1"},
    {"127.0.0.1:5000/a/b:1", "127.0.0.1:5000/a/b:1", "127.0.0.1:5000/a/b:1"},
    {"[::1]:5000/app", "[::1]:5000/app", "[::1]:5000/app"},
    {"[fe80::1]/app:x", "[fe80::1]/app:x", "[fe80::1]/app:x"},
    {"ghcr.io/Owner", "", ""},
    {"Registry/app", "Registry/app", "Registry/app"},
    {"ghcr.io/owner/app", "ghcr.io/owner/app", "ghcr.io/owner/app"},
    {"ghcr.io/app", "ghcr.io/app", "ghcr.io/app"},
    {"app@" + kDigest, "docker.io/library/app@" + kDigest, "app@" + kDigest},
    {"app:1@" + kDigest, "docker.io/library/app:1@" + kDigest, "app:1@" + kDigest},
    {"r.io:5000/a@" + kDigest, "r.io:5000/a@" + kDigest, "r.io:5000/a@" + kDigest},
    {"a__b", "docker.io/library/a__b", "a__b"},
    {"a---b", "docker.io/library/a---b", "a---b"},
    {"a.b_c-d", "docker.io/library/a.b_c-d", "a.b_c-d"},
    {"app:" + std::string(128, 't'), "docker.io/library/app:" + std::string(128, 't'),
     "app:" + std::string(128, 't')},
    {"app:_Odd.Tag-1", "docker.io/library/app:_Odd.Tag-1", "app:_Odd.Tag-1"},
    // A repository of Docker Hub whose first part looks like a host must not lose its registry.
    {"docker.io/localhost/app", "docker.io/localhost/app", "docker.io/localhost/app"},
};

TEST(Reference, ShorthandsAreMadeCompleteAndBack) {
  for (const auto& [text, complete, familiar] : kCases) {
    if (complete.empty()) {
      EXPECT_THROW((void)Reference::parse(text), Error) << text;
      continue;
    }
    const Reference reference = Reference::parse(text);
    EXPECT_EQ(reference.str(), complete) << text;
    EXPECT_EQ(reference.familiar(), familiar) << text;
    EXPECT_EQ(Reference::parse(reference.str()), reference) << text;
    EXPECT_EQ(Reference::parse(reference.familiar()), reference) << text;
  }
}

TEST(Reference, WhatCannotBeANameIsRefusedByItsText) {
  const std::string cases[] = {
      "",
      ":tag",
      "app:",
      "app:-x",
      "app:.x",
      "app:" + std::string(129, 't'),
      "app:a b",
      "app:a:b",
      "App",
      "docker.io/App",
      "user/App:1",
      "a..b",
      "a._b",
      "a___b",
      "-a",
      "a-",
      "a/",
      "/a",
      "a//b",
      "a/./b",
      "a/../b",
      "../a",
      "a b",
      " a",
      "a\n",
      "a\\b",
      "https://ghcr.io/a",
      "http://localhost:5000/a",
      "ghcr.io/",
      "ghcr.io:/a",
      "ghcr.io:port/a",
      "ghcr.io:123456/a",
      "-ghcr.io/a",
      "ghcr..io/a",
      "[::1/a",
      "[]/a",
      "[::1]5000/a",
      "a@",
      "a@sha256:",
      "a@sha256:" + std::string(63, 'a'),
      "a@sha512:" + std::string(128, 'a'),
      "a@" + kDigest + "@" + kDigest,
      "@" + kDigest,
      kHex,
      std::string(300, 'a'),
      "ä",
  };
  for (const std::string& text : cases) {
    try {
      const Reference reference = Reference::parse(text);
      ADD_FAILURE() << "accepted \"" << text << "\" as " << reference.str();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::invalid_input);
      EXPECT_THAT(error.what(), testing::HasSubstr("\"" + text + "\""));
    }
  }
}

TEST(Reference, AZeroByteEndsNothing) {
  EXPECT_THROW((void)Reference::parse(std::string_view("a\0b", 3)), Error);
  EXPECT_THROW((void)Reference::parse(std::string_view("a:1\0", 4)), Error);
}

TEST(Reference, UpperCaseIsNamedAsTheMistake) {
  try {
    (void)Reference::parse("user/MyApp:1");
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("must be lower case"));
  }
}

TEST(Reference, LatestIsAddedOnlyWhereNothingIsSaid) {
  EXPECT_EQ(Reference::parse("app").or_latest().str(), "docker.io/library/app:latest");
  EXPECT_EQ(Reference::parse("app:1").or_latest().tag, "1");
  EXPECT_FALSE(Reference::parse("app@" + kDigest).or_latest().tag);
}

}  // namespace
}  // namespace kiln
