#include "builder/graph/graph.h"

#include <gmock/gmock.h>

namespace kiln::graph {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

class OnlyStacked : public ::testing::Test {
 protected:
  VertexId add(Op op, std::vector<VertexId> inputs) {
    return graph_.add({std::move(op), std::move(inputs), Platform::host(), "", {}});
  }

  Graph graph_;
};

TEST_F(OnlyStacked, IsTheTargetAlone) {
  const VertexId base = add(FileOp{}, {});
  const VertexId first = add(FileOp{}, {base});
  const VertexId last = add(FileOp{}, {first});
  EXPECT_THAT(graph_.only_stacked(last), ElementsAre(last));
}

TEST_F(OnlyStacked, IsAlsoWhatMergesPutOnEachOther) {
  const VertexId scratch = add(FileOp{}, {});
  const VertexId base = add(FileOp{}, {scratch});
  const VertexId linked = add(FileOp{}, {scratch});
  const VertexId merge = add(MergeOp{}, {base, linked});
  EXPECT_THAT(graph_.only_stacked(merge), UnorderedElementsAre(merge, base, linked));
}

TEST_F(OnlyStacked, IsNotWhatAnotherStepMountsToo) {
  const VertexId scratch = add(FileOp{}, {});
  const VertexId base = add(FileOp{}, {scratch});
  const VertexId linked = add(FileOp{}, {scratch, base});
  const VertexId merge = add(MergeOp{}, {base, linked});
  EXPECT_THAT(graph_.only_stacked(merge), UnorderedElementsAre(merge, linked));
}

TEST_F(OnlyStacked, DoesNotCountWhatTheTargetDoesNotNeed) {
  const VertexId target = add(FileOp{}, {});
  add(ExecOp{}, {target});
  EXPECT_THAT(graph_.only_stacked(target), ElementsAre(target));
}

}  // namespace
}  // namespace kiln::graph
