#include "builder/store/reserve.h"

#include <gtest/gtest.h>

#include "builder/os/file.h"

namespace kiln::store {
namespace {

namespace fs = std::filesystem;

class ReserveTest : public testing::Test {
 protected:
  [[nodiscard]] fs::path file() const { return scratch_.path() / "reserve"; }
  os::TempDir scratch_{fs::temp_directory_path(), "kiln-reserve-test"};
};

TEST_F(ReserveTest, TakesSpaceOnlyWhenFilled) {
  Reserve reserve(scratch_.path());
  EXPECT_FALSE(fs::exists(file()));
  reserve.fill();
  EXPECT_EQ(fs::file_size(file()), Reserve::kBytes);
}

TEST_F(ReserveTest, IsFreeWhileSomebodyUsesIt) {
  Reserve reserve(scratch_.path());
  reserve.fill();
  {
    const Reserve::Use first(reserve);
    EXPECT_FALSE(fs::exists(file()));
    {
      const Reserve::Use second(reserve);
      reserve.fill();
    }
    EXPECT_FALSE(fs::exists(file())) << "the first still uses it";
  }
  EXPECT_TRUE(fs::exists(file()));
}

TEST_F(ReserveTest, IsKeptForTheNextOwnerWhoFreesIt) {
  {
    const Reserve reserve(scratch_.path());
  }
  EXPECT_TRUE(fs::exists(file()));
  const Reserve next(scratch_.path());
  EXPECT_FALSE(fs::exists(file()));
}

TEST_F(ReserveTest, CannotFail) {
  Reserve reserve(scratch_.path() / "missing");
  reserve.fill();
  const Reserve::Use use(reserve);
}

}  // namespace
}  // namespace kiln::store
