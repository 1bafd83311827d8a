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

      BIMLP_INLINE void operator()(int t, I sum) const {
        const F y = V::add(V::fma(factor, V::to_float(sum), offset), V::load(from + t * stride));
        sink(t, V::rprelu(y, slope, shift_out));
      }
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

  // J output blocks of T tokens.
  template <int T, int J, class Sink>
  static BIMLP_INLINE void binary_blocks(const DenseLayer &layer, const uint32_t *bits, int first, int block,
                                         const Finish<Sink> &finish) {
    const size_t block_size = static_cast<size_t>(layer.words) * kLanes;
    const uint32_t *const own = bits + first * layer.words;
    I counts[T][J];
    V::template mismatches<T, J>({&own, 1, layer.words, static_cast<size_t>(layer.words)},
                                 layer.weight + block * block_size, block_size, counts);
    unrolled<J>([&](auto j) BIMLP_INLINED {
      const auto done = finish.of(block + j);
      unrolled<T>([&](auto t) BIMLP_INLINED { done(first + t, counts[t][j]); });
    });
  }
};

}  // namespace bimlp
