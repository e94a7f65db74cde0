#include "builder/cache/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/error.h"

namespace kiln::cache {
namespace {

using testing::HasSubstr;

CachedLayer layer(const std::string& name, bool base = false) {
  return {{sha256("tar " + name)},
          sha256("blob " + name),
          100 + name.size(),
          "application/vnd.oci.image.layer.v1.tar+gzip",
          7,
          base};
}

Document example() {
  DocumentBuilder builder;
  const std::size_t base = builder.place_of(layer("base", true));
  const std::size_t top = builder.place_of(layer("top"));
  builder.add({sha256("a"), "RUN a", R"([["op","exec"]])", 1, 2, {base}, std::nullopt, {}});
  builder.add({sha256("b"), "RUN b", "", 3, 0, {base, top}, sha256("own"), {{0, {0}}}});
  return builder.take();
}

/// What parsing the example gives when `from` in its JSON is `to`.
std::string refusal(const std::string& from, const std::string& to) {
  std::string json = to_json(example());
  const std::size_t at = json.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  json.replace(at, from.size(), to);
  try {
    (void)parse_document(json);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::corrupt);
    return error.what();
  }
  return "";
}

TEST(Document, IsReadAsItWasWritten) {
  const Document document = example();
  const Document read = parse_document(to_json(document));
  EXPECT_EQ(read.layers, document.layers);
  EXPECT_EQ(read.records, document.records);
  EXPECT_EQ(to_json(read), to_json(document));
}

TEST(Document, HasEachLayerAndEachKeyOnce) {
  DocumentBuilder builder;
  const Document from = example();
  for (int i = 0; i < 2; ++i) {
    for (const CachedRecord& record : from.records)
      builder.add_from(from, record);
  }
  const Document merged = builder.take();
  EXPECT_EQ(merged.layers.size(), 2U);
  EXPECT_EQ(merged.records, from.records);
}

TEST(Document, RefusesWhatItsGrammarDoesNotHave) {
  EXPECT_THAT(refusal("\"layers\":[0]", "\"layers\":[2]"), HasSubstr("layers"));
  EXPECT_THAT(refusal("\"layers\":[0]", "\"layers\":[-1]"), HasSubstr("layers"));
  EXPECT_THAT(refusal("\"layers\":[0]", "\"layers\":0"), HasSubstr("layers"));
  EXPECT_THAT(refusal("sha256:", "../../etc/passwd:"), HasSubstr("diff_id"));
  EXPECT_THAT(refusal("\"size\":104", "\"size\":1.5"), HasSubstr("size"));
  EXPECT_THAT(refusal("\"size\":104", "\"size\":99999999999999999"), HasSubstr("size"));
  EXPECT_THAT(refusal("vnd.oci.image.layer", "octet"), HasSubstr("media_type"));
  EXPECT_THAT(refusal("\"RUN a\"", "[]"), HasSubstr("name"));
  EXPECT_THAT(refusal("\"RUN a\"", "\"" + std::string(100'000, 'x') + "\""), HasSubstr("name"));
  EXPECT_THAT(refusal("\"input\":0", "\"input\":\"0\""), HasSubstr("input"));
  EXPECT_THAT(refusal("{\"layers\":[{", "{\"layers\":[[],{"), HasSubstr("object"));
}

TEST(Document, RefusesStacksThatNobodyCanMountAndWhatIsTooLarge) {
  std::string places = "\"layers\":[0";
  for (int i = 0; i < 1000; ++i)
    places += ",0";
  EXPECT_THAT(refusal("\"layers\":[0]", places + "]"), HasSubstr("mounted"));
  EXPECT_THROW((void)parse_document(std::string(5'000'000, ' ')), Error);
  EXPECT_THROW((void)parse_document(std::string(100'000, '[')), Error);
  EXPECT_THROW((void)parse_document("null"), Error);
  EXPECT_THROW((void)parse_document("{}"), Error);
}

TEST(Document, NamesWholeInputsByTheirContent) {
  const Document document = example();
  EXPECT_EQ(content_key_of(document, document.records[0]), std::nullopt);
  const auto key = content_key_of(document, document.records[1]);
  EXPECT_EQ(key, solver::portable_content_key(sha256("own"), {{0, {document.layers[0].diff_id}}}));
  EXPECT_NE(key, solver::portable_content_key(sha256("own"), {{1, {document.layers[0].diff_id}}}));
  EXPECT_NE(key, solver::portable_content_key(sha256("own"), {{0, {document.layers[1].diff_id}}}));
}

}  // namespace
}  // namespace kiln::cache
