#include "proto/json_shape.h"

#include <nlohmann/json.hpp>
#include <vector>

#include "proto/error.h"

namespace kiln {

namespace {

/// Nesting that no real document has.
constexpr std::size_t kMaxDepth = 32;

/// nlohmann's ordered object keeps its keys in a list that is searched from the start for each new
/// one: without a bound a document of 4 MiB would take minutes.
constexpr int kMaxKeys = 10'000;

/// Looks at a document's shape before it is built. Its own pass, because nlohmann's parser with a
/// callback walks an array again after each object in it.
class ShapeCheck final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit ShapeCheck(std::string_view what) : what_(what) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return enter(); }
  bool key(string_t&) override {
    if (++keys_.back() <= kMaxKeys) return true;
    throw Error(Errc::corrupt, "{}: an object of more than {} keys", what_, kMaxKeys);
  }
  bool end_object() override { return leave(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_array() override { return leave(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  bool enter() {
    if (keys_.size() >= kMaxDepth) throw Error(Errc::corrupt, "{}: nested too deeply", what_);
    keys_.push_back(0);
    return true;
  }
  bool leave() {
    keys_.pop_back();
    return true;
  }

  std::string_view what_;
  std::vector<int> keys_;  ///< of each object or array that is open
};

}  // namespace

void check_json_shape(std::string_view text, std::string_view what) {
  ShapeCheck check(what);
  if (!nlohmann::json::sax_parse(text, &check)) {
    throw Error(Errc::corrupt, "{}: not valid JSON", what);
  }
}

}  // namespace kiln
