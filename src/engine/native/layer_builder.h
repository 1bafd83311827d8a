// From a packed file's layers to those that the kernels read: slots instead of channels, thresholds instead of shifts.
#pragma once
#include "memory.h"
#include "channel_order.h"
#include "packed.h"
#include "plan.h"

namespace bimlp {

class LayerBuilder {
 public:
  explicit LayerBuilder(Memory &memory) : memory_(memory) {}

  // numbers in the order of slots
  const float *in_slots(const Floats &from, const ChannelOrder &order);
  // into memory of its own
  const int32_t *copy(const ChannelOrder &values);

  // shortcut: per block out the block of the shortcut's row
  BinaryFC binary_fc(const PackedBinary &layer, const ChannelOrder &in, const ChannelOrder &out, const int32_t *shortcut);
  // in[g]: the channel that is input g of the output at a slot; size: H = W of the map
  LocalFC local_fc(const PackedBinary &layer, const std::vector<ChannelOrder> &in, const ChannelOrder &out, bool height, int size);
  // in: per place in a run the input, of which -1 has weight 0; runs follow each other in the file
  FullFC full_fc(const PackedFull &layer, int runs, const ChannelOrder &in, const ChannelOrder &out);
  Head head(const Packed &packed, const ChannelOrder &in);

  // what each binary layer reads, in the order of their indices: one ChannelOrder per input of a group
  std::vector<std::vector<ChannelOrder>> inputs;

 private:
  const float *threshold(const Floats &shift, const ChannelOrder &order);
  Affine affine(const PackedBinary &layer, const ChannelOrder &out, int count);
  const float *full_weight(const float *weight, size_t inputs, int runs, const ChannelOrder &in, const ChannelOrder &out);

  Memory &memory_;
};

}  // namespace bimlp
