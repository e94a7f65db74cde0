#include "builder/solver/content_key.h"

#include <gtest/gtest.h>

namespace kiln::solver {
namespace {

TEST(ContentKey, IsReadAsItWasWritten) {
  const std::vector<std::vector<WholeInput<store::LayerId>>> cases{
      {},
      {{0, {store::LayerId{1}, store::LayerId{52}}}},
      {{0, {}}, {3, {store::LayerId{7}}}},
  };
  for (const auto& whole : cases) {
    const ContentKey key{sha256("own"), whole};
    const auto read = ContentKey::parse(key.str());
    ASSERT_TRUE(read) << key.str();
    EXPECT_EQ(read->own, key.own);
    EXPECT_EQ(read->whole, key.whole);
  }
}

TEST(ContentKey, OtherTextIsNone) {
  for (const std::string& text : {std::string(), std::string("sha256:12"), sha256("a").str() + "x",
                                  sha256("a").str() + " x=1", sha256("a").str() + " 1=2,3 "})
    EXPECT_FALSE(ContentKey::parse(text)) << text;
}

TEST(ContentKey, IsThatOfNoOtherMachineWithoutAllDiffIds) {
  const ContentKey key{sha256("own"), {{0, {store::LayerId{1}, store::LayerId{2}}}}};
  const auto known = to_diff_ids(key, [](store::LayerId id) {
    return std::optional(DiffId{sha256(std::to_string(static_cast<std::int64_t>(id)))});
  });
  ASSERT_TRUE(known);
  EXPECT_EQ(known->at(0).layers.at(1), DiffId{sha256("2")});
  EXPECT_FALSE(to_diff_ids(key, [](store::LayerId id) -> std::optional<DiffId> {
    if (id == store::LayerId{2}) return std::nullopt;
    return DiffId{sha256("1")};
  }));
}

}  // namespace
}  // namespace kiln::solver
