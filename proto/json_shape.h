// A look at JSON from strangers before it is built in memory.
#pragma once

#include <string_view>

namespace kiln {

/// Throws Error{corrupt}, with `what` in front, unless `text` is one JSON value, nested at most 32
/// deep, without an object of more than 10,000 keys. Takes time linear in the text.
void check_json_shape(std::string_view text, std::string_view what);

}  // namespace kiln
