#include "proto/debug_messages.h"

#include "proto/json_members.h"

namespace kiln {

using namespace json_members;  // NOLINT(google-build-using-namespace): made for this

std::string to_json(const DebugRequest& value) {
  return dump({{"build", value.build},
               {"command", value.command},
               {"term", value.term},
               {"columns", value.columns},
               {"rows", value.rows},
               {"descriptors", value.descriptors}});
}

template <>
DebugRequest from_json(std::string_view text) {
  const Json json = parse(text);
  const Members read(json);
  DebugRequest request;
  read("build", request.build);
  read("command", request.command);
  read("term", request.term);
  read("columns", request.columns);
  read("rows", request.rows);
  read("descriptors", request.descriptors);
  return request;
}

}  // namespace kiln
