// Layers of a packed file in the form that the kernels read: slots instead of channels, thresholds instead of shifts.
#pragma once
#include "channel_order.h"
#include "memory.h"
#include "packed.h"
#include "plan.h"

namespace bimlp {

class LayerBuilder {
 public:
  explicit LayerBuilder(Memory &memory) : memory_(memory) {}

  // Numbers in the order of slots, 0 in padding.
  const float *in_slots(const Floats &from, const ChannelOrder &order);
  // Copy of an order, in the builder's memory.
  const int32_t *copy(const ChannelOrder &values);

  // shortcut: for each output block, the block of the shortcut's row.
  BinaryFC binary_fc(const PackedBinary &layer, const ChannelOrder &in, const ChannelOrder &out,
                     const int32_t *shortcut);
  // in[g]: the channel that is input g of each output slot. size: H = W of the map.
  LocalFC local_fc(const PackedBinary &layer, const std::vector<ChannelOrder> &in, const ChannelOrder &out, bool height,
                   int size);
  // in: the input at each position of a run, -1 for weight 0. The file holds run after run.
  FullFC full_fc(const PackedFull &layer, int runs, const ChannelOrder &in, const ChannelOrder &out);
  Head head(const Packed &packed, const ChannelOrder &in);

  // Inputs of each binary layer, by its index: a ChannelOrder for each input of a group.
  std::vector<std::vector<ChannelOrder>> inputs;

 private:
  const float *threshold(const Floats &shift, const ChannelOrder &order);
  Affine affine(const PackedBinary &layer, const ChannelOrder &out, int count);
  const float *full_weight(const float *weight, size_t inputs, int runs, const ChannelOrder &in,
                           const ChannelOrder &out);

  Memory &memory_;
};

}  // namespace bimlp
