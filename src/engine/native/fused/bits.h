// Bits of numbers beyond thresholds: in tiles and in planes.
#pragma once
#include "operands.h"

namespace bimlp {

template <class V>
struct Bits : Operands<V> {
  using F = typename V::F;
  using Operands<V>::rows;

  // Bits of x > threshold, to rows of words in the tile's memory. Padding up to a whole word is 0.
  static void pack(const Instruction &i, const Context &c) {
    const float *from = rows(i.in, c);
    auto *to = reinterpret_cast<uint16_t *>(rows(i.out, c)) + i.bits_at;
    const int stride = i.in.stride, bits_stride = i.bits_stride;
    int b = 0;
    for (; b + 2 <= i.blocks; b += 2) {
      const F low = V::load(i.threshold + kLanes * b), high = V::load(i.threshold + kLanes * (b + 1));
      const float *x = from + kLanes * b;
      uint16_t *bits = to + b;
      for (size_t t = 0, count = c.count; t < count; ++t, x += stride, bits += bits_stride) {
        V::store_gt_bits(bits, V::load(x), low);
        V::store_gt_bits(bits + 1, V::load(x + kLanes), high);
      }
    }
    if (b == i.blocks) return;
    const F threshold = V::load(i.threshold + kLanes * b);
    for (int t = 0; t < c.count; ++t) {
      V::store_gt_bits(to + t * bits_stride + b, V::load(from + t * stride + kLanes * b), threshold);
      to[t * bits_stride + b + 1] = 0;
    }
  }

  // The same, to a plane.
  static void pack_plane(const Instruction &i, const Context &c) {
    const float *from = rows(i.in, c);
    auto *to = reinterpret_cast<uint16_t *>(c.planes[i.plane[0]]);
    const int stride = i.in.stride, blocks = i.blocks;
    const int32_t *index = i.padded_index + c.first;
    int b = 0;
    for (; b + 2 <= blocks; b += 2) {
      const F low = V::load(i.threshold + kLanes * b), high = V::load(i.threshold + kLanes * (b + 1));
      const float *x = from + kLanes * b;
      for (size_t t = 0, count = c.count; t < count; ++t, x += stride) {
        uint16_t *bits = to + index[t] * blocks + b;
        V::store_gt_bits(bits, V::load(x), low);
        V::store_gt_bits(bits + 1, V::load(x + kLanes), high);
      }
    }
    if (b == blocks) return;
    const F threshold = V::load(i.threshold + kLanes * b);
    for (int t = 0; t < c.count; ++t)
      V::store_gt_bits(to + index[t] * blocks + b, V::load(from + t * stride + kLanes * b), threshold);
  }
};

}  // namespace bimlp
