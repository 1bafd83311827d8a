// Dense layers: binary convolutions of 1 x 1, by counting the mismatches of all channels.
#pragma once
#include "../../../native/inline.h"
#include "layers.h"

namespace bimlp {

template <class V>
struct DenseLayers {
  using F = typename V::F;
  using I = typename V::I;

  // Epilogue: sink(block)(t, RPReLU(factor * sum + offset + source)) for an output block and token t.
  template <class Sink>
  struct Finish {
    const DenseLayer &layer;
    const float *source;
    int stride;  // numbers of the source per token
    Sink sink;

    template <class BlockSink>
    struct Block {
      F factor, offset, slope, shift_out;
      const float *from;
      int stride;
      BlockSink sink;

      BIMLP_INLINE F value(int t, I sum) const {
        const F y = V::add(V::fma(factor, V::to_float(sum), offset), V::load(from + t * stride));
        return V::rprelu(y, slope, shift_out);
      }
      BIMLP_INLINE void operator()(int t, I sum) const { sink(t, value(t, sum)); }
    };

    BIMLP_INLINE auto of(int block) const {
      const Affine &a = layer.affine;
      const int at = kLanes * block;
      const auto end = sink(block);
      return Block<decltype(end)>{V::load(a.factor + at),
                                  V::load(a.offset + at),
                                  V::load(a.slope + at),
                                  V::load(a.shift_out + at),
                                  source + kLanes * layer.shortcut[block],
                                  stride,
                                  end};
    }
  };

  // A dense layer over `tokens` positions.
  template <class Sink>
  static void by_blocks(const DenseLayer &layer, const uint32_t *bits, int tokens, const float *source,
                        int source_stride, Sink sink) {
    const Finish<Sink> finish = {layer, source, source_stride, sink};
    int t = 0;
    for (; t + V::kTokens <= tokens; t += V::kTokens) binary_tile<V::kTokens>(layer, bits, t, finish);
    binary_rest<V::kTokens - 1>(layer, bits, t, tokens - t, finish);
  }

  // The same with totals over each `group` blocks: total(number of the group)(t, sum of the values).
  template <class Sink, class Total>
  static void by_groups(const DenseLayer &layer, int group, const uint32_t *bits, int tokens, const float *source,
                        int source_stride, Sink sink, Total total) {
    const Finish<Sink> finish = {layer, source, source_stride, sink};
    for (int t = 0; t < tokens; t += V::kTokens)
      grouped_tokens<V::kTokens>(layer, group, bits, t, tokens - t, finish, total);
  }

  // Groups of T tokens, or of the last ones, fewer than T.
  template <int T, class Sink, class Total>
  static void grouped_tokens(const DenseLayer &layer, int group, const uint32_t *bits, int first, int tokens,
                             const Finish<Sink> &finish, Total total) {
    if constexpr (T > 1) {
      if (tokens < T) return grouped_tokens<T - 1>(layer, group, bits, first, tokens, finish, total);
    }
    for (int block = 0, g = 0; block < layer.blocks; ++g) {
      F sum[T];
      unrolled<T>([&](auto t) BIMLP_INLINED { sum[t] = V::set(0.0f); });
      const int end = block + group;
      for (; block + V::kBlocks <= end; block += V::kBlocks)
        add_blocks<T, V::kBlocks>(layer, bits, first, block, finish, sum);
      for (; block < end; ++block) add_blocks<T, 1>(layer, bits, first, block, finish, sum);
      const auto done = total(g);
      unrolled<T>([&](auto t) BIMLP_INLINED { done(first + t, sum[t]); });
    }
  }

  // J output blocks of T tokens, added to their sums.
  template <int T, int J, class Sink>
  static BIMLP_INLINE void add_blocks(const DenseLayer &layer, const uint32_t *bits, int first, int block,
                                      const Finish<Sink> &finish, F (&sum)[T]) {
    I counts[T][J];
    count<T, J>(layer, bits, first, block, counts);
    unrolled<J>([&](auto j) BIMLP_INLINED {
      const auto own = finish.of(block + j);
      unrolled<T>([&](auto t) BIMLP_INLINED {
        const F value = own.value(first + t, counts[t][j]);
        sum[t] = V::add(sum[t], value);
        own.sink(first + t, value);
      });
    });
  }

  // The last tokens, fewer than a tile.
  template <int T, class Sink>
  static void binary_rest(const DenseLayer &layer, const uint32_t *bits, int first, int tokens,
                          const Finish<Sink> &finish) {
    if (tokens == T) return binary_tile<T>(layer, bits, first, finish);
    if constexpr (T > 1) binary_rest<T - 1>(layer, bits, first, tokens, finish);
  }

  // All output blocks of T tokens from `first` on.
  template <int T, class Sink>
  static void binary_tile(const DenseLayer &layer, const uint32_t *bits, int first, const Finish<Sink> &finish) {
    int block = 0;
    for (; block + V::kBlocks <= layer.blocks; block += V::kBlocks)
      binary_blocks<T, V::kBlocks>(layer, bits, first, block, finish);
    for (; block < layer.blocks; ++block) binary_blocks<T, 1>(layer, bits, first, block, finish);
  }

  // Mismatches of J output blocks and T tokens.
  template <int T, int J>
  static BIMLP_INLINE void count(const DenseLayer &layer, const uint32_t *bits, int first, int block,
                                 I (&counts)[T][J]) {
    const size_t block_size = static_cast<size_t>(layer.words) * kLanes;
    const uint32_t *const own = bits + first * layer.words;
    V::template mismatches<T, J>({&own, 1, layer.words, static_cast<size_t>(layer.words)},
                                 layer.weight + block * block_size, block_size, counts);
  }

  // J output blocks of T tokens.
  template <int T, int J, class Sink>
  static BIMLP_INLINE void binary_blocks(const DenseLayer &layer, const uint32_t *bits, int first, int block,
                                         const Finish<Sink> &finish) {
    I counts[T][J];
    count<T, J>(layer, bits, first, block, counts);
    unrolled<J>([&](auto j) BIMLP_INLINED {
      const auto done = finish.of(block + j);
      unrolled<T>([&](auto t) BIMLP_INLINED { done(first + t, counts[t][j]); });
    });
  }
};

}  // namespace bimlp
