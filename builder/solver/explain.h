// Why a step was not in the cache: what it differs in from the record that is most like it. Pure.
//
// A record keeps, beside the parts of its key, what its inputs were ("input 1/..."): their names,
// the parts of those that are sources, and the file list of local files.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "builder/graph/graph.h"
#include "builder/graph/key_encoding.h"
#include "builder/store/database.h"
#include "proto/messages.h"

namespace kiln::solver {

/// An input of a step, as its record keeps it.
struct DescribedInput {
  graph::VertexId vertex = 0;
  std::string name;
  std::vector<graph::KeyPart> parts;  ///< of a source; of another it is empty
  bool ran = false;                   ///< in this build
};

/// The parts that go into a record: those of the key, then those that only explain.
[[nodiscard]] std::vector<graph::KeyPart> parts_with_inputs(
    std::vector<graph::KeyPart> key_parts,
    const std::vector<DescribedInput>& inputs,
    const std::vector<std::string>& file_lists);

/// How a step's records are looked for: its text, and its place up to the number of the step.
struct StepTitle {
  std::string title;   ///< "RUN make" of "[build 2/5] RUN make"
  std::string prefix;  ///< "[build 2/"; the whole name when it has no place
};
[[nodiscard]] StepTitle title_of(std::string_view name);

/// A local input whose files are to be compared with those of an earlier list.
struct FilesToCompare {
  graph::VertexId source = 0;
  std::string earlier_list;
  std::vector<Difference> otherwise;  ///< to be told when that list is gone
};

struct Explanation {
  std::vector<Difference> differences;
  std::vector<FilesToCompare> files;
};

/// The differences from the nearest of `candidates` (newest first); nullopt when there is none.
/// `inputs` are those of the step now, of `parts` as parts_with_inputs() gives them.
[[nodiscard]] std::optional<Explanation> explain_miss(
    const StepTitle& title,
    const std::vector<graph::KeyPart>& parts,
    const std::vector<DescribedInput>& inputs,
    const std::vector<store::RecordRow>& candidates);

}  // namespace kiln::solver
