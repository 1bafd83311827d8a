// Needs of a plan: which values it stores, in which order of channels, and which layers write a part of another value's
// sum.
#pragma once
#include "channel_order.h"
#include "recognise.h"

namespace bimlp {

// Sum of max-pools of one value with one stride, times a factor.
struct PoolSum {
  uint32_t input = 0;
  Numbers factor;
  std::vector<uint32_t> pools;  // values, the smallest windows first; none where the value is no such sum
};

inline ChannelOrder identity(uint32_t channels) { return identity_order(static_cast<int>(channels), kLanes); }
bool all_are(const Numbers &numbers, float v);

class Needs {
 public:
  explicit Needs(const Graph &graph);

  const Graph &graph() const { return graph_; }
  const Node &node(uint32_t v) const { return graph_.maker(v); }
  const Shape &shape(uint32_t v) const { return graph_.shape_of(v); }
  const Readers &readers() const { return readers_; }
  const Layer *layer(uint32_t v) const { return layers_.of(v); }
  // Window layers that read the bits of a value and are computed.
  std::vector<const Layer *> window_layers_on(uint32_t v) const;
  // Expression of a value; and of one that is read.
  Expression expression(uint32_t v) const { return expressions_.of(v); }
  Expression read(uint32_t v) const { return expressions_.read(v); }

  // Whether a value is computed as a step of its own.
  bool stands_alone(uint32_t v) const { return needed_[v] && !absorbed_[v]; }
  // Order of a value's channels; empty for the channels in turn.
  const ChannelOrder &order(uint32_t v) const { return orders_[v]; }

  // Whether a value is computed as an expression of others.
  bool is_sum(uint32_t v, const Expression &e) const;
  // Terms of value v whose layers are absorbed, dense layers first.
  std::vector<size_t> absorbed_terms(uint32_t v, const Expression &e) const;
  // Hidden layer whose bits a layer reads, or null.
  const Layer *hidden_of(const Layer &layer) const;
  // Whether a local layer can take its shortcut as factor * value + offset.
  bool simple(const Expression &e, const Layer &layer) const;
  // Value and, unless it is the value itself, channel of it for each channel of `v`.
  std::pair<uint32_t, std::vector<int32_t>> channel_source(uint32_t v) const;
  static ChannelOrder wave_order(uint32_t channels);
  // Whether a global mean can be taken of the sums of rows.
  bool is_mean(uint32_t v) const;
  PoolSum pool_sum(uint32_t v) const;
  // Ends of the windows of pools along an axis: (begin, end) by pool and output.
  void windows(const std::vector<uint32_t> &pools, bool height, int outputs, std::vector<int32_t> &begin,
               std::vector<int32_t> &end) const;
  // Softmax over n branches, all of whose readers are the branches' slices.
  bool is_branch_softmax(uint32_t v) const;
  bool is_branch_softmax_of(uint32_t slice) const;
  // Slices of the branches of a softmax, the nodes behind it; fewer if those are others.
  std::vector<uint32_t> slices_of(uint32_t v) const;
  ChannelOrder branch_order(uint32_t v) const;

 private:
  void need(uint32_t v);
  void need_terms(const Expression &e);
  // Marks the layers among the terms of value v that write their part of the sum themselves, as nothing else needs
  // them.
  void absorb_layers(uint32_t v, const Expression &e);
  void need_inputs(uint32_t v);
  void need_layer(const Layer &layer);
  bool nested(const std::vector<uint32_t> &pools, const Shape &out) const;

  const Graph &graph_;
  const Readers readers_;
  const Layers layers_;
  std::vector<char> needed_;          // by value
  std::vector<uint32_t> absorbed_;    // value whose sum a layer writes a part of, or 0
  std::vector<ChannelOrder> orders_;  // by value
  const Expressions expressions_;
};

}  // namespace bimlp
