// Plain executor: one operation after the other on whole maps, as the graph has them. It is the reference of the plans
// that fuse operations, with the same lanes.
#pragma once
#include <memory>
#include <vector>

#include "../graph/graph.h"
#include "../ops/kernels.h"
#include "memory.h"
#include "workers.h"

namespace bimlp {

// Network in the form that the operations of one instruction set read. It does not refer to the graph afterwards.
class PlainNetwork {
 public:
  // Throws Error for weights of a file of `bytes` that take too much memory.
  PlainNetwork(const Graph &graph, size_t bytes, const OpKernels *kernels);

  const OpKernels &kernels() const { return *kernels_; }
  int classes() const { return shapes_.back().channels; }

 private:
  friend class PlainWorkspace;

  // Places of the values in an arena, each of which is given to others when nothing reads it any more.
  void plan_arena();

  const OpKernels *kernels_;
  std::vector<MapShape> shapes_;               // by value
  std::vector<std::vector<uint32_t>> inputs_;  // by node
  std::vector<std::vector<MapShape>> in_;      // by node
  std::vector<Step> steps_;
  std::vector<size_t> places_;  // by value, in floats
  size_t arena_ = 0, bits_ = 0;
  Memory memory_;
};

// Maps of one image, and scratch memory of `threads` threads.
class PlainWorkspace {
 public:
  PlainWorkspace(const PlainNetwork &network, int threads);

  // Normalised image, height x width x 16: three channels and padding.
  float *image() { return value(0); }
  // Logits of the image.
  const float *run(Workers &workers);

 private:
  float *value(uint32_t v) { return arena_ + network_.places_[v]; }

  const PlainNetwork &network_;
  Memory memory_;
  float *arena_;
  std::vector<OpScratch> scratch_;
};

}  // namespace bimlp
