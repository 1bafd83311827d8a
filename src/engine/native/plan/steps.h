// Plain steps of a graph's nodes: their numbers and weights in the form that the operations of ops/ read.
#pragma once
#include <vector>

#include "../graph/graph.h"
#include "../ops/kernels.h"
#include "../run/memory.h"

namespace bimlp {

MapShape map_shape(const Shape &s);
inline size_t floats_of(const MapShape &s) { return static_cast<size_t>(s.height) * s.width * s.slots; }
// Operations that read their whole input for any row of the output, and run as one piece.
inline bool is_whole(Op op) { return op == Op::kGlobalMean || op == Op::kLayerNorm; }

class StepBuilder {
 public:
  // Throws Error beyond a limit for weights of a file of `bytes`.
  StepBuilder(const Graph &graph, size_t bytes, Memory &memory);

  // Step of a node. `in` has the shapes of its inputs and must live as long as the step.
  Step step(const Node &node, const std::vector<MapShape> &in);
  void check_memory() const;
  size_t bits() const { return bits_; }  // words of scratch memory that the steps need

 private:
  const float *by_slot(const Vector &vector, const MapShape &shape);
  void add_filter(const Node &node, Step &step);
  void add_bits(const Node &node, Levels levels, Step &step);

  const Graph &graph_;
  const size_t most_;
  Memory &memory_;
  size_t bits_ = 0;
};

// Places of values in an arena: of a value from step `first` to step `last`, in numbers.
struct Lifetime {
  size_t size, first, last;
};
// Places by value; `total` becomes the arena's size.
std::vector<size_t> places_of(const std::vector<Lifetime> &lifetimes, size_t &total);

}  // namespace bimlp
