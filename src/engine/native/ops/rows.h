// Gathers and sums of rows of numbers.
#pragma once
#include "../../../native/inline.h"
#include "layers.h"

namespace bimlp {

template <class V>
struct RowOps {
  using F = typename V::F;

  // Blocks gathered from rows of `slots` numbers, into `out`.
  static void gather(const float *x, int tokens, int slots, const Gather &gather, float *out) {
    const int blocks = gather.blocks;
    for (int block = 0; block < blocks; ++block) {
      const typename V::LaneGather pick(gather.index + kLanes * block, gather.window[block]);
      for (int t = 0; t < tokens; ++t) V::store(out + kLanes * (t * blocks + block), pick(x + t * slots));
    }
  }

  // Sum of a block over `count` tokens, in four sums, which do not wait for each other.
  static F column_sum(const float *from, int stride, int count) {
    F sum[4];
    unrolled<4>([&](auto i) BIMLP_INLINED { sum[i] = V::set(0.0f); });
    int t = 0;
    for (; t + 4 <= count; t += 4) {
      unrolled<4>([&](auto i) BIMLP_INLINED { sum[i] = V::add(sum[i], V::load(from + (t + i) * stride)); });
    }
    for (; t < count; ++t) sum[0] = V::add(sum[0], V::load(from + t * stride));
    return V::add(V::add(sum[0], sum[1]), V::add(sum[2], sum[3]));
  }
};

}  // namespace bimlp
