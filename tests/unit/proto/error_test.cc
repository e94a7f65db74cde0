#include "proto/error.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace kiln {
namespace {

TEST(Error, OutermostContextComesFirst) {
  try {
    within("push app:1", [] {
      within("upload layer 2 of 3",
             [] { throw Error(Errc::unavailable, "PUT {}: {}", "/v2/x", 503); });
    });
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "push app:1: upload layer 2 of 3: PUT /v2/x: 503");
    EXPECT_EQ(error.code(), Errc::unavailable);
  }
}

TEST(Error, MissingFileIsNotFound) {
  EXPECT_EQ(system_error(ENOENT, "open /x").code(), Errc::not_found);
  EXPECT_STREQ(system_error(ENOENT, "open /x").what(), "open /x: No such file or directory");
}

TEST(Error, AFullDiskIsNamedByTheFirstWhoKnowsIt) {
  Error error = system_error(ENOSPC, "write x");
  error.name_full_disk("/var/lib/kiln", "free some");
  error.name_full_disk("/elsewhere", "free more");
  EXPECT_STREQ(error.what(),
               "write x: No space left on device; the disk of /var/lib/kiln is full: free some");
}

TEST(Error, OtherFailuresNameNoDisk) {
  Error error = system_error(EIO, "write x");
  error.name_full_disk("/var/lib/kiln", "free some");
  EXPECT_STREQ(error.what(), "write x: Input/output error");
}

}  // namespace
}  // namespace kiln
