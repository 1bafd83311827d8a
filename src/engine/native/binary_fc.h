// Activations to bits, and binary FCs over channels.
#pragma once
#include "kernels.h"

namespace bimlp {

template <class V>
struct BinaryFCs {
  using F = typename V::F;
  using I = typename V::I;

  // Bits of `tokens` rows of `slots` numbers: 1 if x > threshold. Row t goes to row padded_index[t], or t, of `bits`.
  static void pack_signs(const float *x, int tokens, int slots, const float *threshold, uint32_t *bits,
                         const int32_t *padded_index = nullptr) {
    for (int block = 0; block < slots; block += 2 * kLanes) {
      const F low = V::load(threshold + block), high = V::load(threshold + block + kLanes);
      for (int t = 0; t < tokens; ++t) {
        const float *row = x + t * slots + block;
        uint16_t *to =
            reinterpret_cast<uint16_t *>(bits + (padded_index ? padded_index[t] : t) * (slots / 32) + block / 32);
        V::store_gt_bits(to, V::load(row), low);
        V::store_gt_bits(to + 1, V::load(row + kLanes), high);
      }
    }
  }

  // Epilogue of a binary FC: sink(t, block, RPReLU(factor * sum + offset + source)) for token t and an output block.
  template <class Sink>
  struct Finish {
    const BinaryFC &layer;
    const float *source;
    int stride;  // numbers of the source per token
    Sink sink;

    struct Block {
      F factor, offset, slope, shift_out;
      const float *from;
      int stride, block;
      Sink sink;

      BIMLP_INLINE void operator()(int t, I sum) const {
        const F y = V::add(V::fma(factor, V::to_float(sum), offset), V::load(from + t * stride));
        sink(t, block, V::rprelu(y, slope, shift_out));
      }
    };

    BIMLP_INLINE Block of(int block) const {
      const Affine &a = layer.affine;
      const int at = kLanes * block;
      return {V::load(a.factor + at),
              V::load(a.offset + at),
              V::load(a.slope + at),
              V::load(a.shift_out + at),
              source + kLanes * layer.shortcut[block],
              stride,
              block,
              sink};
    }
  };

  // A binary FC over `tokens` tokens.
  template <class Sink>
  static void binary_fc(const BinaryFC &layer, const uint32_t *bits, int tokens, const float *source, int source_stride,
                        Sink sink) {
    const Finish<Sink> finish = {layer, source, source_stride, sink};
    int t = 0;
    for (; t + V::kTokens <= tokens; t += V::kTokens) binary_tile<V::kTokens>(layer, bits, t, finish);
    binary_rest<V::kTokens - 1>(layer, bits, t, tokens - t, finish);
  }

  // The last tokens, fewer than a tile.
  template <int T, class Sink>
  static void binary_rest(const BinaryFC &layer, const uint32_t *bits, int first, int tokens,
                          const Finish<Sink> &finish) {
    if (tokens == T) return binary_tile<T>(layer, bits, first, finish);
    if constexpr (T > 1) binary_rest<T - 1>(layer, bits, first, tokens, finish);
  }

  // All output blocks of T tokens from `first` on.
  template <int T, class Sink>
  static void binary_tile(const BinaryFC &layer, const uint32_t *bits, int first, const Finish<Sink> &finish) {
    int block = 0;
    for (; block + V::kBlocks <= layer.blocks; block += V::kBlocks)
      binary_blocks<T, V::kBlocks>(layer, bits, first, block, finish);
    for (; block < layer.blocks; ++block) binary_blocks<T, 1>(layer, bits, first, block, finish);
  }

  // J output blocks of T tokens.
  template <int T, int J, class Sink>
  static BIMLP_INLINE void binary_blocks(const BinaryFC &layer, const uint32_t *bits, int first, int block,
                                         const Finish<Sink> &finish) {
    const size_t block_size = static_cast<size_t>(layer.words) * kLanes;
    I counts[T][J];
    V::template mismatches<T, J>(bits + first * layer.words, layer.words, layer.weight + block * block_size, counts);
    unrolled<J>([&](auto j) BIMLP_INLINED {
      const auto done = finish.of(block + j);
      unrolled<T>([&](auto t) BIMLP_INLINED { done(first + t, counts[t][j]); });
    });
  }

  // A binary FC alone, for tests.
  static void single_fc(const BinaryFC &layer, const uint32_t *bits, int tokens, const float *source, int stride,
                        float *out) {
    const int slots = kLanes * layer.blocks;
    binary_fc(layer, bits, tokens, source, stride,
              [=](int t, int b, F value) { V::store(out + t * slots + kLanes * b, value); });
  }
};

}  // namespace bimlp
