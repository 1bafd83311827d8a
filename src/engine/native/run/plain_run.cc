#include "plain_run.h"

#include "../plan/steps.h"

namespace bimlp {
PlainNetwork::PlainNetwork(const Graph &graph, size_t bytes, const OpKernels *kernels) : kernels_(kernels) {
  StepBuilder build(graph, bytes, memory_);
  shapes_.push_back(map_shape(graph.image));
  for (const Node &node : graph.nodes) {
    inputs_.push_back(node.inputs);
    in_.emplace_back();
    for (uint32_t v : node.inputs) in_.back().push_back(shapes_[v]);
    steps_.push_back(build.step(node, in_.back()));
    shapes_.push_back(steps_.back().out);
  }
  bits_ = build.bits();
  plan_arena();
}

void PlainNetwork::plan_arena() {
  std::vector<Lifetime> lifetimes;
  for (size_t v = 0; v < shapes_.size(); ++v) lifetimes.push_back({floats_of(shapes_[v]), v, v});
  for (size_t i = 0; i < inputs_.size(); ++i) {
    for (uint32_t v : inputs_[i]) lifetimes[v].last = i + 1;
  }
  lifetimes.back().last = lifetimes[0].last = shapes_.size();  // the image is written before the run
  places_ = places_of(lifetimes, arena_);
}

PlainWorkspace::PlainWorkspace(const PlainNetwork &network, int threads)
    : network_(network), arena_(memory_.get<float>(network.arena_)) {
  for (int t = 0; t < threads; ++t) scratch_.push_back({memory_.get<uint32_t>(network.bits_)});
}

const float *PlainWorkspace::run(Workers &workers) {
  for (size_t i = 0; i < network_.steps_.size(); ++i) {
    const Step &step = network_.steps_[i];
    std::vector<const float *> in;
    for (uint32_t v : network_.inputs_[i]) in.push_back(value(v));
    float *out = value(static_cast<uint32_t>(i + 1));
    const RunRows run = network_.kernels_->rows[static_cast<uint32_t>(step.op)];
    const int rows = step.out.height;
    if (is_whole(step.op) || rows == 1) {
      run(step, in.data(), out, 0, rows, scratch_[0]);
    } else {
      workers.each(
          [&](int t) { run(step, in.data(), out, workers.begin(rows, t), workers.begin(rows, t + 1), scratch_[t]); });
    }
  }
  return value(static_cast<uint32_t>(network_.steps_.size()));
}

}  // namespace bimlp
