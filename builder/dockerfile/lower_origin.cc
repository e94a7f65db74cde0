// The vertices that COPY, ADD and the mounts of RUN take files from.
#include "builder/dockerfile/mistake.h"
#include "builder/dockerfile/stage_builder.h"

namespace kiln::dockerfile {

graph::VertexId origin_vertex(StageBuilder& builder,
                              const Origin& origin,
                              std::string_view verb,
                              const Wanted& wanted) {
  LoweringContext& context = builder.context();
  switch (origin.kind) {
    case Origin::Kind::stage:
      if (origin.stage >= builder.stage().index) {
        throw Mistake(fmt::format("cannot {} from stage \"{}\", it needs to be defined before "
                                  "current stage \"{}\"",
                                  verb, origin.text, builder.stage().label()))
            .at(origin.offset);
      }
      return context.states[origin.stage].file_system;
    case Origin::Kind::image:
      return context.image_vertex(*origin.image, "FROM ");
    case Origin::Kind::scratch:
      return context.scratch_vertex(builder.stage().platform);
    case Origin::Kind::named:
      return context.named_vertex(*origin.named, wanted);
    case Origin::Kind::context:
      break;
  }
  return context.selected(wanted.of_local("context", builder.options().context_ignore),
                          [&](graph::LocalSource local) {
                            return builder.add_helper(graph::SourceOp(std::move(local)),
                                                      "[internal] load build context");
                          });
}

}  // namespace kiln::dockerfile
