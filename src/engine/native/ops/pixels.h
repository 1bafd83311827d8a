// Convolutions with full precision of pixels, with what follows them, by a matrix unit.
#pragma once
#include "full.h"

namespace bimlp {

template <class V>
struct PixelLayers {
  using F = typename V::F;

  static constexpr int kBytesAtOnce = 32;  // of a run that are copied; a run's rest is written over

  // `count` positions of row y of the output. affine: what follows the sum.
  static void row(const PixelLayer &layer, const Affine &affine, int blocks, const int8_t *pixels, int y, int count,
                  const Scratch &scratch, float *out) {
    const size_t inputs = static_cast<size_t>(layer.digits.steps) * kTileInputs,
                 slots = static_cast<size_t>(kLanes) * blocks;
    const int8_t *own = pixels + static_cast<size_t>(y) * layer.row * layer.stride;
    const auto put = [&](int first, int positions, int8_t *to) {
      for (int t = 0; t < positions; ++t) {
        for (int run = 0; run < layer.runs; ++run) {
          const int8_t *from = own + static_cast<size_t>(first + t) * layer.step + static_cast<size_t>(run) * layer.row;
          for (int k = 0; k < layer.length; k += kBytesAtOnce)
            __builtin_memcpy(to + t * inputs + run * layer.length + k, from + k, kBytesAtOnce);
        }
      }
    };
    const float *row_offset = layer.offset + static_cast<size_t>(layer.row_class[y]) * layer.columns * slots;
    TileProducts<V>::template all<1>(layer.digits, blocks, count, scratch, put,
                                     [&](int block, int first, int positions, const int32_t *sums) BIMLP_INLINED {
                                       const int at = kLanes * block;
                                       const F factor = V::load(layer.digits.factor + at),
                                               slope = V::load(affine.slope + at);
                                       const F shift = V::load(affine.shift_out + at);
                                       const int32_t *column_class = layer.column_class + first;
                                       float *to = out + first * slots + at;
                                       for (int t = 0; t < positions; ++t) {
                                         const F offset = V::load(row_offset + column_class[t] * slots + at);
                                         const F sum = FullLayers<V>::of_digits(sums + kLanes * t);
                                         V::store(to + t * slots, V::rprelu(V::fma(factor, sum, offset), slope, shift));
                                       }
                                     });
  }
};

}  // namespace bimlp
