// Recognition of what can be fused: layers (a convolution with what follows it), waves, hidden layers, and pools.
#pragma once
#include "weights.h"

namespace bimlp {

// Readers of each value, and whether it is the output.
struct Readers {
  explicit Readers(const Graph &graph);

  int count(uint32_t value) const { return counts[value]; }
  // Only reader of a value, or 0.
  uint32_t only(uint32_t value) const { return counts[value] == 1 ? first[value] : 0; }

  std::vector<int> counts;      // of inputs; the output counts once more
  std::vector<uint32_t> first;  // value that a reader makes, or 0
  std::vector<uint32_t> second;
};

constexpr uint32_t kNone = ~uint32_t{0};  // no value

enum class LayerKind { kDense, kLocal, kWindow, kFull };

// weight * RPReLU(factor * conv + offset + source) + shift, of which all but the convolution may be absent.
struct Layer {
  LayerKind kind;
  uint32_t conv, binarize = 0;  // values; binarize is 0 for full precision
  Epilogue epilogue;            // its shift_out is not used
  Numbers weight = {1.0f}, shift = {0.0f};
  uint32_t source = kNone;  // value that is added before the activation
  uint32_t value;           // the layer's own

  // local layers of a wave: z cos theta and z sin theta, concatenated, are their input, and `source` its group mean
  bool wave = false;
  uint32_t theta = 0, amplitude = 0;

  // dense layers whose value is read by the binarize of the layer `next` and by a group mean, its source
  uint32_t next_binarize = 0, mean = 0;
  int group = 0;
  bool is_hidden() const { return next_binarize != 0; }
};

// Layers of a graph.
class Layers {
 public:
  Layers(const Graph &graph, const Readers &readers);

  const std::vector<Layer> &all() const { return layers_; }
  // Layer whose own value this is, or null.
  const Layer *of(uint32_t value) const { return index_[value] < 0 ? nullptr : &layers_[index_[value]]; }

 private:
  void add(uint32_t conv);
  // Takes the sum that alone reads the layer's value v into the layer, unless another layer has: its two operands may
  // both be layers. Returns the layer's value.
  uint32_t add_source(uint32_t v, Layer &layer);
  bool find_kind(const Node &conv, Layer &layer) const;
  bool has_whole_groups(const Node &conv) const;
  bool is_local(const Node &conv) const;
  bool find_wave(const Node &conv, Layer &layer) const;
  void find_hidden();

  const Graph &graph_;
  const Readers &readers_;
  std::vector<Layer> layers_;
  std::vector<int> index_;    // by value
  std::vector<char> summed_;  // by value: whether it is a sum that belongs to a layer
};

inline bool is_vector(const Shape &s) { return s.height == 1 && s.width == 1; }
inline bool same_shape(const Shape &a, const Shape &b) {
  return a.channels == b.channels && a.height == b.height && a.width == b.width;
}

}  // namespace bimlp
