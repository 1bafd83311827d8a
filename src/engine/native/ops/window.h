// Window layers: binary convolutions of any window, on the positions of one row.
#pragma once
#include "../../../native/inline.h"
#include "layers.h"

namespace bimlp {

template <class V>
struct WindowLayers {
  using F = typename V::F;
  using I = typename V::I;

  // Row of the output from column `first` on, `count` positions, and what the layer's epilogue reads at them.
  struct Row {
    const uint32_t *run[kMaxWindowSide];  // inputs of the first position, by row of the kernel
    int count;
    const float *base;            // of the row's class, by class of the column
    const int32_t *column_class;  // by position
    const float *source;          // shortcut
    int stride;                   // of the shortcut
  };

  // Row y of a layer: sink(block)(t, RPReLU(factor * sum + offset + source)) for an output block and position t.
  template <class Sink>
  static void by_blocks(const WindowLayer &layer, const uint32_t *bits, int y, int first, int count,
                        const float *source, int source_stride, Sink sink) {
    const size_t slots = static_cast<size_t>(layer.blocks) * kLanes;
    Row row;
    for (int k = 0; k < layer.kernel[0]; ++k) {
      row.run[k] = bits + (static_cast<size_t>(y) * layer.stride + k) * layer.row +
                   static_cast<size_t>(first) * layer.stride * layer.words;
    }
    row.count = count;
    row.base = layer.base + layer.row_class[y] * layer.columns * slots;
    row.column_class = layer.column_class + first;
    row.source = source;
    row.stride = source_stride;
    if constexpr (V::kPaired) {
      if (layer.paired) return all<true>(layer, row, sink);
    }
    all<false>(layer, row, sink);
  }

  // All output blocks of all positions.
  template <bool kPaired, class Sink>
  static void all(const WindowLayer &layer, const Row &row, const Sink &sink) {
    for (int block = 0; block < layer.blocks; ++block) {
      int t = 0;
      for (; t + V::kTokens <= row.count; t += V::kTokens) tile<V::kTokens, kPaired>(layer, row, t, block, sink);
      rest<V::kTokens - 1, kPaired>(layer, row, t, row.count - t, block, sink);
    }
  }

  // The last positions, fewer than a tile.
  template <int T, bool kPaired, class Sink>
  static void rest(const WindowLayer &layer, const Row &row, int first, int count, int block, const Sink &sink) {
    if (count == T) return tile<T, kPaired>(layer, row, first, block, sink);
    if constexpr (T > 1) rest<T - 1, kPaired>(layer, row, first, count, block, sink);
  }

  // An output block of T positions.
  template <int T, bool kPaired, class Sink>
  static BIMLP_INLINE void tile(const WindowLayer &layer, const Row &row, int first, int block, const Sink &sink) {
    const size_t step = static_cast<size_t>(layer.stride) * layer.words;
    const int length = layer.kernel[1] * layer.words;
    const uint32_t *weight = layer.weight + static_cast<size_t>(block) * layer.kernel[0] * length * kLanes;
    const uint32_t *run[kMaxWindowSide];
    for (int k = 0; k < layer.kernel[0]; ++k) run[k] = row.run[k] + first * step;
    const BitRuns bits = {run, layer.kernel[0], length, step};
    I counts[T][1];
    if constexpr (kPaired) {
      V::template paired_mismatches<T>(bits, weight, counts);
    } else {
      V::template mismatches<T, 1>(bits, weight, 0, counts);
    }
    const size_t slots = static_cast<size_t>(layer.blocks) * kLanes;
    const int at = kLanes * block;
    const F scale = V::set(layer.scale);
    const F factor = V::load(layer.affine.factor + at), offset = V::load(layer.affine.offset + at);
    const F slope = V::load(layer.affine.slope + at), shift = V::load(layer.affine.shift_out + at);
    const float *source = row.source + kLanes * layer.shortcut[block], *base = row.base + at;
    const auto end = sink(block);
    unrolled<T>([&](auto i) BIMLP_INLINED {
      const int t = first + i;
      const F sum = V::fma(scale, V::to_float(counts[i][0]), V::load(base + row.column_class[t] * slots));
      const F y = V::add(V::fma(factor, sum, offset), V::load(source + t * row.stride));
      end(t, V::rprelu(y, slope, shift));
    });
  }
};

}  // namespace bimlp
