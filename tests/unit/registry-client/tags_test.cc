#include "registry-client/tags.h"

#include "tests/unit/registry-client/client_fixture.h"

namespace kiln::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Tags : public ClientTest {
 protected:
  Tags() { use_http(registry_); }

  std::vector<std::string> list(const std::string& prefix) {
    return run(client().list_tags(Reference::parse(registry_.host() + "/a/b"), prefix, {}));
  }

  FakeRegistry registry_;
};

TEST_F(Tags, OfAllPagesAreSortedAndThoseOfThePrefix) {
  registry_.intercept([](const FakeRequest& request) -> std::optional<FakeResponse> {
    if (request.target == "/v2/a/b/tags/list?n=1000")
      return FakeResponse{.headers = {{"Link", "</v2/a/b/tags/list?n=1000&last=x>; rel=\"next\""}},
                          .body = R"({"name":"a/b","tags":["main.2","other","main.1"]})"};
    if (request.target == "/v2/a/b/tags/list?n=1000&last=x")
      return FakeResponse{.body = R"({"name":"a/b","tags":["main.0","main.1"]})"};
    return std::nullopt;
  });
  EXPECT_THAT(list("main."), ElementsAre("main.0", "main.1", "main.2"));
}

TEST_F(Tags, OfARepositoryThatIsNotThereAreNone) {
  registry_.intercept([](const FakeRequest&) { return FakeResponse{.status = 404}; });
  EXPECT_THAT(list(""), IsEmpty());
}

TEST_F(Tags, ThatNeverEndAreAnError) {
  registry_.intercept([](const FakeRequest&) {
    return FakeResponse{.headers = {{"Link", "</v2/a/b/tags/list?last=x>; rel=\"next\""}},
                        .body = R"({"tags":["x"]})"};
  });
  EXPECT_THROW(list(""), Error);
}

TEST(ParseTags, RefusesWhatIsNoList) {
  EXPECT_THAT(parse_tags(R"({"name":"a","tags":null})"), IsEmpty());
  for (const char* text : {"", "[]", "{}", R"({"tags":{}})", R"({"tags":[1]})"})
    EXPECT_THROW((void)parse_tags(text), Error) << text;
}

TEST(NextPage, IsWhatTheLinkHeaderSays) {
  EXPECT_EQ(next_page("</v2/x?last=y>; rel=\"next\""), "/v2/x?last=y");
  EXPECT_EQ(next_page("<https://h/v2/x>; rel=next"), "https://h/v2/x");
  EXPECT_EQ(next_page("</v2/x>; rel=\"prev\""), std::nullopt);
  EXPECT_EQ(next_page("nothing"), std::nullopt);
}

}  // namespace
}  // namespace kiln::registry
