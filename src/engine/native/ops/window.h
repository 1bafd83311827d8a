// Window layers: binary convolutions of any window, on positions of one row or on whole rows.
#pragma once
#include "../../../native/inline.h"
#include "layers.h"
#include "tiles.h"

namespace bimlp {

template <class V>
struct WindowLayers {
  using F = typename V::F;
  using I = typename V::I;

  // A row of the output from column `first` on. Its first position is position `at` of the call.
  struct Row {
    int at;
    const float *base;            // of the row's class, by class of the column
    const int32_t *column_class;  // by position
  };

  // Epilogue: sink(block)(t, RPReLU(factor * sum + offset + source)) for an output block and position t of the call.
  template <class Sink>
  struct Finish {
    const WindowLayer &layer;
    const float *source;
    int stride;  // of the source
    Sink sink;

    template <class BlockSink>
    struct Block {
      F scale, factor, offset, slope, shift;
      size_t at, slots;
      const float *from;
      int stride;
      BlockSink sink;

      // Position i of the row, with its mismatches or its product.
      BIMLP_INLINE void operator()(const Row &row, int i, I count) const {
        const F base = V::load(row.base + row.column_class[i] * slots + at);
        const F sum = V::fma(scale, V::to_float(count), base);
        const F y = V::add(V::fma(factor, sum, offset), V::load(from + (row.at + i) * stride));
        sink(row.at + i, V::rprelu(y, slope, shift));
      }
    };

    BIMLP_INLINE auto of(int block) const {
      const Affine &a = layer.affine;
      const size_t at = static_cast<size_t>(kLanes) * block, slots = static_cast<size_t>(kLanes) * layer.blocks;
      const auto end = sink(block);
      return Block<decltype(end)>{V::set(layer.scale),
                                  V::load(a.factor + at),
                                  V::load(a.offset + at),
                                  V::load(a.slope + at),
                                  V::load(a.shift_out + at),
                                  at,
                                  slots,
                                  source + kLanes * layer.shortcut[block],
                                  stride,
                                  end};
    }
  };

  // `count` positions of a map of `width` columns, from column `first` of row y on: in that row, or all of some rows.
  template <class Sink>
  static void by_blocks(const WindowLayer &layer, const uint32_t *bits, int y, int first, int count, int width,
                        const float *source, int source_stride, const Scratch &scratch, Sink sink) {
    const Finish<Sink> finish = {layer, source, source_stride, sink};
    const int rows = count > width ? count / width : 1, columns = count > width ? width : count;
    if constexpr (V::kTiles) {
      if (layer.tiles.sign && layer.stride == 1)
        return products(layer, bits, y, first, rows, columns, 0, scratch, finish);
      for (int r = 0; layer.tiles.sign && r < rows; ++r)
        products(layer, bits, y + r, first, 1, columns, r * width, scratch, finish);
    }
    for (int r = 0; !layer.tiles.sign && r < rows; ++r)
      mismatches(layer, bits, y + r, first, columns, r * width, finish);
  }

  static Row row_of(const WindowLayer &layer, int y, int first, int at) {
    const size_t slots = static_cast<size_t>(layer.blocks) * kLanes;
    return {at, layer.base + layer.row_class[y] * layer.columns * slots, layer.column_class + first};
  }

  // Words of the inputs of the first position of a row, by row of the kernel.
  static void find_inputs(const WindowLayer &layer, const uint32_t *bits, int y, int first,
                          const uint32_t *(&run)[kMaxWindowSide]) {
    const size_t begin = static_cast<size_t>(first) * layer.stride * layer.words;
    for (int k = 0; k < layer.kernel[0]; ++k)
      run[k] = bits + (static_cast<size_t>(y) * layer.stride + k) * layer.row + begin;
  }

  // Some rows by the matrix unit: as one row, whose positions lie as the inputs do, with margins between the rows.
  template <class Finish>
  static void products(const WindowLayer &layer, const uint32_t *bits, int y, int first, int rows, int columns, int at,
                       const Scratch &scratch, const Finish &finish) {
    const uint32_t *words[kMaxWindowSide];
    find_inputs(layer, bits, y, first, words);
    const int8_t *run[kMaxWindowSide];
    for (int k = 0; k < layer.kernel[0]; ++k) run[k] = reinterpret_cast<const int8_t *>(words[k]);
    const int pitch = layer.row / layer.words;
    const size_t step = sizeof(uint32_t) * layer.stride * layer.words;
    TileProducts<V>::all(layer.tiles, layer.blocks, {run, step}, (rows - 1) * pitch + columns, scratch,
                         [&](int block, int begin, int count, const int32_t *sums) BIMLP_INLINED {
                           const auto done = finish.of(block);
                           for (int p = begin, end = begin + count; p < end;) {
                             const int r = p / pitch, x = p % pitch, last = x + end - p;
                             const Row row = row_of(layer, y + r, first, at + r * columns);
                             for (int i = x; i < columns && i < last; ++i)
                               done(row, i, V::load_sums(sums + kLanes * (p - begin + i - x)));
                             p += pitch - x;
                           }
                         });
  }

  // One row by counting mismatches.
  template <class Finish>
  static void mismatches(const WindowLayer &layer, const uint32_t *bits, int y, int first, int columns, int at,
                         const Finish &finish) {
    const uint32_t *run[kMaxWindowSide];
    find_inputs(layer, bits, y, first, run);
    const Row row = row_of(layer, y, first, at);
    if constexpr (V::kPaired) {
      if (layer.paired) return all<true>(layer, run, row, columns, finish);
    }
    all<false>(layer, run, row, columns, finish);
  }

  // All output blocks of a row's positions.
  template <bool kPaired, class Finish>
  static void all(const WindowLayer &layer, const uint32_t *const *run, const Row &row, int count,
                  const Finish &finish) {
    for (int block = 0; block < layer.blocks; ++block) {
      int t = 0;
      for (; t + V::kTokens <= count; t += V::kTokens) tile<V::kTokens, kPaired>(layer, run, row, t, block, finish);
      rest<V::kTokens - 1, kPaired>(layer, run, row, t, count - t, block, finish);
    }
  }

  // The last positions, fewer than a tile.
  template <int T, bool kPaired, class Finish>
  static void rest(const WindowLayer &layer, const uint32_t *const *run, const Row &row, int first, int count,
                   int block, const Finish &finish) {
    if (count == T) return tile<T, kPaired>(layer, run, row, first, block, finish);
    if constexpr (T > 1) rest<T - 1, kPaired>(layer, run, row, first, count, block, finish);
  }

  // An output block of T positions.
  template <int T, bool kPaired, class Finish>
  static BIMLP_INLINE void tile(const WindowLayer &layer, const uint32_t *const *from, const Row &row, int first,
                                int block, const Finish &finish) {
    const size_t step = static_cast<size_t>(layer.stride) * layer.words;
    const int height = layer.kernel[0], width = layer.kernel[1], taps = height * width;
    const uint32_t *weight = layer.weight + static_cast<size_t>(block) * taps * layer.group_words * kLanes;
    const uint32_t *run[kMaxWindowSide * kMaxWindowSide];
    BitRuns bits = {run, height, width * layer.words, step};
    if (layer.group_blocks == layer.blocks) {
      for (int k = 0; k < height; ++k) run[k] = from[k] + first * step;
    } else {  // each tap is a run of its own
      const size_t own = first * step + static_cast<size_t>(block / layer.group_blocks) * layer.group_words;
      for (int k = 0; k < taps; ++k) run[k] = from[k / width] + own + k % width * layer.words;
      bits.runs = taps;
      bits.length = layer.group_words;
    }
    I counts[T][1];
    if constexpr (kPaired) {
      V::template paired_mismatches<T>(bits, weight, counts);
    } else {
      V::template mismatches<T, 1>(bits, weight, 0, counts);
    }
    const auto done = finish.of(block);
    unrolled<T>([&](auto i) BIMLP_INLINED { done(row, first + i, counts[i][0]); });
  }
};

}  // namespace bimlp
