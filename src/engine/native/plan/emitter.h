// Emitter: from a graph and its needs to groups of actions.
#pragma once
#include <map>

#include "needs.h"
#include "schedule.h"
#include "steps.h"

namespace bimlp {

class Emitter {
 public:
  // Writes weights and sizes of scratch memory to the program. bytes: of the file.
  Emitter(const Needs &needs, const Normalisation &normalisation, size_t bytes, const Instructions &instructions,
          Program &program);

  // Actions that compute a value.
  void emit(uint32_t v);
  // Actions that make the bits of a value for window layers. They follow those that compute it, for it is in the cache.
  void emit_bits(uint32_t v);

  std::vector<Group> groups;
  std::vector<Value> values;  // the graph's, then more

 private:
  using Level = Action::Level;

  // Destination of weight * (a layer's value without its own weight and shift) + offset + the values `add`.
  struct Destination {
    int out;
    Numbers weight, offset;
    std::vector<int> add;
  };
  struct Gathered {
    Gather gather;
    int value;
    std::vector<int32_t> shortcut;
  };

  const Node &node(uint32_t v) const { return needs_.node(v); }
  const Shape &shape(uint32_t v) const { return needs_.shape(v); }

  // --- values and actions ---
  int new_value(int height, int width, int stride, bool is_width);
  int value_like(uint32_t v, int stride, bool is_width = false);
  Operand operand(int value) const;
  Operand constant(const float *numbers) const;
  const float *zeros(int slots);
  Action action(Level level, RunInstruction run, OpKind kind, int blocks);
  static Operand read(Action &a, Operand o);
  // The same, where the position and the block that are read are those that are written.
  static Operand read_in_place(Action &a, Operand o);
  static Operand write(Action &a, Operand o);
  Group &new_group(uint32_t v);
  // Number of each position of a map of height x width in one with margins: above, and before and behind each row.
  const int32_t *padded_index(int height, int width, int above, int before, int behind);

  // --- sums, pools and orders (emit_sums.cc) ---
  Action gather_action(uint32_t from, int to, const ChannelOrder &sources);
  void emit_gather(uint32_t v);
  void emit_group_mean(uint32_t v);
  void emit_softmax(uint32_t v);
  void emit_plain(uint32_t v);
  void add_terms(Action &a, const std::vector<Term> &terms, const Numbers &offset, const ChannelOrder &order);
  // out = sum of the terms + offset, some terms at a time.
  void emit_terms(uint32_t like, int out, const std::vector<Term> &terms, const Numbers &offset);
  void emit_sum(uint32_t v, const Expression &e);
  void emit_mean(uint32_t v, const Expression &e);
  void emit_pools(uint32_t v, const PoolSum &sum);

  // --- layers (emit_layers.cc) ---
  void emit_layer(const Layer &layer);
  void emit_full(const Layer &layer);
  // Fills the sink, and the weight and shift of the epilogue, of a layer's instruction.
  void add_sink(Action &a, const Destination &d, const ChannelOrder &order, Epilogue &e);
  void emit_into(const Layer &layer, const Destination &d);
  void emit_hidden(const Layer &layer);
  ChannelOrder hidden_order(const Layer &layer) const;
  // Action of a dense layer, behind those of the group that make its bits; without its weights and its source.
  Action dense_action(const Layer &layer, const ChannelOrder &out, const Epilogue &, Group &group, RunInstruction run);
  // Adds source and weights of a dense layer, and the layer to the groups.
  void finish_dense(const Layer &layer, const ChannelOrder &out, const Epilogue &e, Action &a, Group &group);
  // Shortcut of a dense layer in the order of its output; gathered where the orders differ.
  Operand source(const Layer &layer, const ChannelOrder &out, std::vector<int32_t> &shortcut, Action &a, Group &group);
  void emit_local(const Layer &layer, const Destination &d);
  WindowSigns window_signs(const Node &conv, const ChannelOrder &order, Levels levels) const;
  void emit_window(const Layer &layer, const Destination &d);
  Action wave_action(const Layer &layer, int blocks, Group &group);
  // Phase or amplitude in the order of the wave.
  Operand wave_input(uint32_t v, Action &a, Group &group);

  const Needs &needs_;
  const Normalisation normalisation_;
  const Instructions &fused_;
  Program &program_;
  StepBuilder steps_;
  Weights weights_;
  std::map<uint32_t, int> hidden_bits_;  // by binarize
  std::map<uint32_t, int> window_bits_;  // by convolution
  std::map<std::vector<int>, const int32_t *> indices_;
  std::map<std::pair<uint32_t, ChannelOrder>, Gathered> gathered_;
  const float *zeros_ = nullptr;
  int zeros_size_ = 0, next_plane_ = 0;
};

}  // namespace bimlp
