#include "builder/store/blob_store.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/error.h"
#include "tests/unit/store/store_fixture.h"

namespace kiln::store {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class BlobStoreTest : public testing::Test {
 protected:
  os::TempDir scratch_{std::filesystem::temp_directory_path(), "kiln-blobs-test"};
  BlobStore blobs_{scratch_.path()};

  BlobWriter written(std::string_view text) {
    BlobWriter writer = blobs_.writer();
    writer.write(as_bytes(text));
    return writer;
  }
};

TEST_F(BlobStoreTest, ABlobIsVisibleOnlyAfterItsCommit) {
  const Digest digest = sha256("hello");
  BlobWriter writer = written("hello");
  EXPECT_FALSE(blobs_.has(digest));
  EXPECT_THAT(names_in(scratch_.path() / "blobs" / "sha256"), IsEmpty());
  blobs_.commit(std::move(writer), digest);
  EXPECT_EQ(blobs_.size(digest), 5U);
  EXPECT_EQ(blobs_.read(digest, 100), "hello");
  EXPECT_THAT(names_in(scratch_.path() / "tmp"), IsEmpty());
}

TEST_F(BlobStoreTest, WhatIsNotCommittedIsGone) {
  {
    BlobWriter writer = written("half");
    const BlobWriter moved = std::move(writer);
    EXPECT_EQ(moved.size_bytes(), 4U);
    EXPECT_EQ(names_in(scratch_.path() / "tmp").size(), 1U);
  }
  EXPECT_THAT(names_in(scratch_.path() / "tmp"), IsEmpty());
}

TEST_F(BlobStoreTest, WrittenBytesCanBeReadBackBeforeTheCommit) {
  const BlobWriter writer = written("read me");
  EXPECT_EQ(os::read_file(writer.path(), 100), "read me");
}

TEST_F(BlobStoreTest, AnExistingBlobIsKept) {
  const Digest digest = blobs_.put("same");
  struct stat before{};
  struct stat after{};
  ASSERT_EQ(::stat(blobs_.path(digest).c_str(), &before), 0);
  blobs_.commit(written("same"), digest);
  EXPECT_EQ(blobs_.put("same"), digest);
  ASSERT_EQ(::stat(blobs_.path(digest).c_str(), &after), 0);
  EXPECT_EQ(before.st_ino, after.st_ino);
  EXPECT_THAT(names_in(scratch_.path() / "tmp"), IsEmpty());
}

TEST_F(BlobStoreTest, AnExistingBlobOfAWrongSizeIsReplaced) {
  const Digest digest = blobs_.put("whole");
  std::filesystem::resize_file(blobs_.path(digest), 0);
  EXPECT_EQ(blobs_.put("whole"), digest);
  EXPECT_EQ(blobs_.read(digest, 100), "whole");
}

TEST_F(BlobStoreTest, ADamagedDocumentIsCorruptAndThenMissing) {
  const Digest digest = blobs_.put("document");
  os::write_file(blobs_.path(digest), "documenT");
  try {
    (void)blobs_.read(digest, 100);
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::corrupt);
    EXPECT_THAT(error.what(), HasSubstr(digest.str()));
  }
  EXPECT_FALSE(blobs_.has(digest));
}

TEST_F(BlobStoreTest, AMissingBlobIsNotFoundByItsName) {
  const Digest digest = sha256("nowhere");
  EXPECT_EQ(blobs_.size(digest), std::nullopt);
  EXPECT_NO_THROW(blobs_.remove(digest));
  try {
    (void)blobs_.open(digest);
    FAIL() << "nothing thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::not_found);
    EXPECT_THAT(error.what(), HasSubstr(digest.str()));
  }
}

TEST_F(BlobStoreTest, ADocumentOverTheLimitIsRefusedAndStays) {
  const Digest digest = blobs_.put("0123456789");
  EXPECT_THROW((void)blobs_.read(digest, 9), Error);
  EXPECT_EQ(blobs_.read(digest, 10), "0123456789");
}

TEST_F(BlobStoreTest, OthersMayReadBlobsButNotWriteThem) {
  struct stat status{};
  ASSERT_EQ(::stat(blobs_.path(blobs_.put("x")).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0644U);
}

TEST_F(BlobStoreTest, ADamagedBlobOfTheSameSizeIsFoundByReadingItAndRemoved) {
  const Digest digest = blobs_.put("0123456789");
  EXPECT_TRUE(blobs_.is_sound(digest));
  os::write_file(blobs_.path(digest), "0123456780");
  EXPECT_TRUE(blobs_.has(digest, 10));
  EXPECT_FALSE(blobs_.is_sound(digest));
  EXPECT_FALSE(blobs_.has(digest));
  EXPECT_FALSE(blobs_.is_sound(digest));
}

TEST_F(BlobStoreTest, ADocumentTakesThePlaceOfADamagedOne) {
  const Digest digest = blobs_.put("0123456789");
  os::write_file(blobs_.path(digest), "0123456780");
  EXPECT_EQ(blobs_.put("0123456789"), digest);
  EXPECT_EQ(blobs_.read(digest, 10), "0123456789");
}

TEST_F(BlobStoreTest, ABlobThatWasCutShortIsNotThere) {
  const Digest digest = blobs_.put("0123456789");
  ASSERT_EQ(::truncate(blobs_.path(digest).c_str(), 4), 0);
  EXPECT_TRUE(blobs_.has(digest));
  EXPECT_FALSE(blobs_.has(digest, 10));
}

}  // namespace
}  // namespace kiln::store
