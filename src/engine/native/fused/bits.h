// Signs of numbers, by thresholds: bits in tiles and in planes, bits or bytes in rows with margins.
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

  // Signs to rows with margins: bits, or bytes for a matrix unit. padded_index: by position, the number of its place
  // with all margins.
  static void pack_rows(const Instruction &i, const Context &c) {
    const float *from = rows(i.in, c);
    const RowsOfBits to = i.rows_of_bits;
    auto *words = reinterpret_cast<uint32_t *>(c.arena + i.out.place) + to.at;
    const int stride = i.in.stride;
    const size_t position = to.position;
    const int32_t *index = i.padded_index + c.first;
    for (int t = 0; t < c.count; ++t) {
      uint32_t *own = words + index[t] * position;
      V::kTiles &&i.low ? store_bytes(i, from + t * stride, reinterpret_cast<int8_t *>(own))
                        : store_words(i, from + t * stride, own);
    }
    const auto fill = [&](int first, int count) {
      for (int p = first; p < first + count; ++p) {
        for (int k = 0; k < to.words; ++k) words[p * position + k] = to.outside[k];
      }
    };
    for (int t = 0; t < c.count; ++t) {
      const int x = (c.first + t) % c.width;
      if (x == 0) fill(index[t] - to.before, to.before);
      if (x == c.width - 1) fill(index[t] + 1, to.behind);
      if (c.first + t == 0) fill(0, to.above);
      if (c.first + t == to.positions - 1) fill(index[t] + 1 + to.behind, to.below);
    }
  }

  // Bits of a position, a word for two blocks.
  static BIMLP_INLINE void store_words(const Instruction &i, const float *x, uint32_t *to) {
    const float *thresholds = i.threshold;
    uint32_t before = 0;
    for (int b = 0; b < i.blocks; b += 2) {
      uint32_t word = V::gt_bits(V::load(x + kLanes * b), V::load(thresholds + kLanes * b));
      if (b + 1 < i.blocks)
        word |= V::gt_bits(V::load(x + kLanes * (b + 1)), V::load(thresholds + kLanes * (b + 1))) << kLanes;
      to[b / 2] = i.rows_of_bits.paired && b % 4 ? word ^ before : word;
      before = word;
    }
  }

  // Bytes of a position: its level, of two or, with a second threshold, of three.
  static BIMLP_INLINE void store_bytes(const Instruction &i, const float *x, int8_t *to) {
    if constexpr (V::kTiles) {
      for (int at = 0; at < kLanes * i.blocks; at += kLanes) {
        const F own = V::load(x + at), first = V::load(i.threshold + at);
        i.second ? V::store_levels(to + at, own, first, V::load(i.second + at), i.low + at)
                 : V::store_signs(to + at, own, first, i.low + at);
      }
    }
  }

  // The same as pack, to a plane.
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
