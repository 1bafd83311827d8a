#include "planner.h"

#include "emitter.h"

namespace bimlp {

std::unique_ptr<Program> plan(const Graph &graph, const Normalisation &normalisation, size_t bytes,
                              const OpKernels &kernels) {
  auto program = std::make_unique<Program>();
  const Needs needs(graph);
  Emitter emitter(needs, normalisation, bytes, kernels.fused, *program);
  const auto count = static_cast<uint32_t>(graph.nodes.size());
  emitter.emit_bits(0);
  for (uint32_t v = 1; v <= count; ++v) {
    if (!needs.stands_alone(v)) continue;
    emitter.emit(v);
    emitter.emit_bits(v);
  }
  schedule(std::move(emitter.groups), emitter.values, 0, static_cast<int>(count), *program);
  return program;
}

}  // namespace bimlp
