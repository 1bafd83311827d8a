// Table of the operations for one instruction set.
#pragma once
#include "../fused/table.h"
#include "binary_conv2d.h"
#include "channels.h"
#include "conv2d.h"
#include "elementwise.h"
#include "pool.h"
#include "statistics.h"

namespace bimlp {

template <class V>
OpKernels op_kernels() {
  OpKernels t = {};
  t.name = V::kName;
  const auto set = [&t](Op op, RunRows run) { t.rows[static_cast<uint32_t>(op)] = run; };
  set(Op::kConv2d, Convolution<V>::conv2d);
  set(Op::kBinarize, Elementwise<V>::binarize);
  set(Op::kBinaryConv2d, BinaryConvolution<V>::binary_conv2d);
  set(Op::kAffine, Elementwise<V>::affine);
  set(Op::kPrelu, Elementwise<V>::prelu);
  set(Op::kUnary, Elementwise<V>::unary);
  set(Op::kAdd, Elementwise<V>::add);
  set(Op::kMul, Elementwise<V>::mul);
  set(Op::kConcat, Channels<V>::concat);
  set(Op::kSlice, Channels<V>::slice);
  set(Op::kPermute, Channels<V>::permute);
  set(Op::kGroupMean, Channels<V>::group_mean);
  set(Op::kPool, Pools<V>::pool);
  set(Op::kGlobalMean, Statistics<V>::global_mean);
  set(Op::kSoftmax, Channels<V>::softmax);
  set(Op::kLayerNorm, Statistics<V>::layer_norm);
  t.fused = FusedOps<V>::table();
  return t;
}

}  // namespace bimlp
