#include "proto/digest.h"

#include <gmock/gmock.h>

#include "proto/error.h"

namespace kiln {
namespace {

// source: FIPS 180-2 appendix B.
constexpr std::string_view kAbc =
    "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr std::string_view kEmpty =
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Digest, IsThatOfTheStandard) {
  EXPECT_EQ(sha256("abc").str(), kAbc);
  EXPECT_EQ(sha256("").str(), kEmpty);
}

TEST(Digest, PrintsWhatItParsed) {
  EXPECT_EQ(Digest::parse(kAbc).str(), kAbc);
  EXPECT_EQ(Digest::parse(kAbc).hex(), kAbc.substr(7));
  EXPECT_EQ(Digest::parse(kAbc).short_hex(), "ba7816bf8f01");
}

TEST(Digest, AnythingElseIsRefusedByItsText) {
  const std::string good(kAbc);
  const std::string cases[] = {
      "",
      "sha256:",
      good.substr(7),
      good.substr(0, 70),
      good + "0",
      "sha512:" + good.substr(7),
      "SHA256:" + good.substr(7),
      "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
      "sha256:g" + good.substr(8),
      " " + good,
      "sha256:../" + good.substr(10),
      good.substr(0, 70) + std::string(1, '\0'),
  };
  for (const std::string& text : cases) {
    try {
      (void)Digest::parse(text);
      ADD_FAILURE() << "accepted " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::invalid_input);
      EXPECT_THAT(error.what(), testing::HasSubstr("invalid digest"));
    }
  }
}

TEST(Sha256, DoesNotDependOnHowTheBytesAreCut) {
  Sha256 sha;
  sha.update("a");
  sha.update("");
  sha.update("bc");
  EXPECT_EQ(sha.finish().str(), kAbc);
}

TEST(HashingSink, HashesAndPassesOn) {
  StringSink text(100);
  HashingSink hashing(text);
  hashing.write(as_bytes("ab"));
  hashing.write(as_bytes("c"));
  EXPECT_EQ(hashing.digest().str(), kAbc);
  EXPECT_EQ(hashing.count_bytes(), 3U);
  EXPECT_EQ(text.text(), "abc");
}

/// Notes whether it was told that the stream is complete.
class FinishSink final : public Sink {
 public:
  void write(Bytes) override {}
  void finish() override { finished = true; }
  bool finished = false;
};

void verify(FinishSink& next, std::string_view text, std::optional<std::uint64_t> size_bytes) {
  VerifyingSink sink(next, Digest::parse(kAbc), size_bytes);
  sink.write(as_bytes(text));
  sink.finish();
}

TEST(VerifyingSink, FinishesTheNextOnlyWhenTheBytesMatch) {
  FinishSink next;
  EXPECT_NO_THROW(verify(next, "abc", 3));
  EXPECT_TRUE(next.finished);
  next.finished = false;
  EXPECT_NO_THROW(verify(next, "abc", std::nullopt));
  EXPECT_TRUE(next.finished);
}

TEST(VerifyingSink, RefusesOtherBytesAndSizes) {
  for (const auto& [text, size] : {std::pair<std::string, std::optional<std::uint64_t>>{"abd", 3},
                                   {"ab", 3},
                                   {"abc", 4},
                                   {"abcd", 3},
                                   {"abcd", std::nullopt},
                                   {"", 3}}) {
    FinishSink next;
    try {
      verify(next, text, size);
      ADD_FAILURE() << "accepted " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Errc::corrupt);
      EXPECT_THAT(error.what(), testing::HasSubstr(kAbc));
    }
    EXPECT_FALSE(next.finished);
  }
}

TEST(VerifyingSink, StopsAtTheFirstByteTooMany) {
  StringSink next(100);
  VerifyingSink sink(next, Digest::parse(kAbc), 3);
  sink.write(as_bytes("abc"));
  EXPECT_THROW(sink.write(as_bytes("d")), Error);
  EXPECT_EQ(next.text(), "abc");
}

}  // namespace
}  // namespace kiln
