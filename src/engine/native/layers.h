// From a packed file's layers to those that the kernels read: slots instead of channels, thresholds instead of shifts.
#pragma once
#include "memory.h"
#include "orders.h"
#include "packed.h"
#include "plan.h"

namespace bimlp {

class LayerMaker {
 public:
  explicit LayerMaker(Memory &memory) : memory_(memory) {}

  // numbers in the order of slots
  const float *in_order(const Floats &from, const Order &order);
  // into memory of its own
  const int32_t *copy(const Order &values);

  // shortcut: per block out the block of the shortcut's row
  BinaryFC binary_fc(const PackedBinary &layer, const Order &in, const Order &out, const int32_t *shortcut);
  // in[g]: the channel that is input g of the output at a slot; size: H = W of the map
  LocalFC local_fc(const PackedBinary &layer, const std::vector<Order> &in, const Order &out, bool height, int size);
  // in: per place in a run the input, of which -1 has weight 0; runs follow each other in the file
  FullFC full_fc(const PackedFull &layer, int runs, const Order &in, const Order &out);
  Head head(const Packed &packed, const Order &in);

  // what each binary layer reads, in the order of their indices: one Order per input of a group
  std::vector<std::vector<Order>> inputs;

 private:
  const float *threshold(const Floats &shift, const Order &order);
  Affine affine(const PackedBinary &layer, const Order &out, int count);
  const float *full_weight(const float *weight, size_t inputs, int runs, const Order &in, const Order &out);

  Memory &memory_;
};

}  // namespace bimlp
