// Convolutions with full precision, with what follows them.
#pragma once
#include "../../../native/inline.h"
#include "tiles.h"

namespace bimlp {

template <class V>
struct FullLayers {
  using F = typename V::F;

  static constexpr int kSingleBlocks = 4;  // output blocks of a single token, whose sums wait for each other otherwise

  // A full-precision FC. out: tokens x blocks. Run s of token t starts at x + s * run_stride + t * token_stride. Some
  // output blocks of all tokens follow each other, so that their weights stay in the cache.
  static void run(const FullLayer &layer, const float *x, size_t run_stride, size_t token_stride, int tokens,
                  const Scratch &scratch, float *out) {
    if constexpr (V::kTiles) {
      if (layer.digits.digit) return by_tiles(layer, x, token_stride, tokens, scratch, out);
    }
    constexpr int J = V::kFullBlocks, N = kSingleBlocks;
    int block = 0;
    for (; layer.first && block < layer.blocks; ++block)
      all_tokens<1>(layer, x + layer.first[block], run_stride, token_stride, tokens, out, block);
    for (; tokens == 1 && block + N <= layer.blocks; block += N)
      full_blocks<1, N>(layer, x, run_stride, token_stride, out, 0, block);
    for (; block + J <= layer.blocks; block += J) all_tokens<J>(layer, x, run_stride, token_stride, tokens, out, block);
    for (; block < layer.blocks; ++block) all_tokens<1>(layer, x, run_stride, token_stride, tokens, out, block);
  }

  // The same by a matrix unit.
  static void by_tiles(const FullLayer &layer, const float *x, size_t token_stride, int tokens, const Scratch &scratch,
                       float *out) {
    const size_t inputs = static_cast<size_t>(layer.digits.steps) * kTileInputs;
    const auto put = [&](int first, int count, int8_t *to) {
      for (int t = 0; t < count; ++t)
        scratch.scales[t] =
            V::split(x + (first + t) * token_stride, layer.length, to + t * inputs, kDigitPositions * inputs);
    };
    TileProducts<V>::template all<kDigits>(layer.digits, layer.blocks, tokens, scratch, put,
                                           [&](int block, int first, int count, const int32_t *sums) BIMLP_INLINED {
                                             const auto done = finish(layer, layer.digits.factor, block, out);
                                             for (int t = 0; t < count; ++t)
                                               done(first + t,
                                                    V::mul(V::set(scratch.scales[t]), of_digits(sums + kLanes * t)));
                                           });
  }

  // Number of the sums of digits, from those of 2^16 on.
  static BIMLP_INLINE F of_digits(const int32_t *sums) {
    const F high = V::to_float(V::load_sums(sums)), middle = V::to_float(V::load_sums(sums + kDigitSums));
    const F low = V::to_float(V::load_sums(sums + 2 * kDigitSums));
    return V::fma(V::set(65536.0f), high, V::fma(V::set(256.0f), middle, low));
  }

  // f(t, sum): the layer's value of an output block and token t.
  static BIMLP_INLINE auto finish(const FullLayer &layer, const float *factors, int block, float *out) {
    const int at = kLanes * block;
    const F factor = V::load(factors + at), offset = V::load(layer.affine.offset + at);
    const F slope = V::load(layer.affine.slope + at), shift = V::load(layer.affine.shift_out + at);
    const size_t slots = static_cast<size_t>(kLanes) * layer.blocks;
    return [=, to = out + at](int t, F sum)
               BIMLP_INLINED { V::store(to + t * slots, V::rprelu(V::fma(factor, sum, offset), slope, shift)); };
  }

  // J output blocks of all tokens.
  template <int J>
  static void all_tokens(const FullLayer &layer, const float *x, size_t run_stride, size_t token_stride, int tokens,
                         float *out, int block) {
    constexpr int T = V::kFullTokens;
    int t = 0;
    for (; t + T <= tokens; t += T)
      full_blocks<T, J>(layer, x + t * token_stride, run_stride, token_stride, out, t, block);
    full_rest<T - 1, J>(layer, x + t * token_stride, run_stride, token_stride, tokens - t, out, t, block);
  }

  // The last tokens, fewer than a tile.
  template <int T, int J>
  static void full_rest(const FullLayer &layer, const float *x, size_t run_stride, size_t token_stride, int tokens,
                        float *out, int first, int block) {
    if (tokens == T) return full_blocks<T, J>(layer, x, run_stride, token_stride, out, first, block);
    if constexpr (T > 1) full_rest<T - 1, J>(layer, x, run_stride, token_stride, tokens, out, first, block);
  }

  // J output blocks of T tokens.
  template <int T, int J>
  static void full_blocks(const FullLayer &layer, const float *x, size_t run_stride, size_t token_stride, float *out,
                          int first, int block) {
    const size_t inputs = static_cast<size_t>(layer.runs) * layer.taps * layer.length;
    const float *weight = layer.weight + block * inputs * kLanes;
    F sum[T][J];
    unrolled<T * J>([&](auto i) BIMLP_INLINED { sum[i / J][i % J] = V::set(0.0f); });
    for (int s = 0; s < layer.runs * layer.taps; ++s) {
      const float *run = x + s / layer.taps * run_stride + static_cast<size_t>(s % layer.taps) * layer.channels;
      for (int k = 0; k < layer.length; ++k, weight += kLanes) {
        F w[J];
        unrolled<J>([&](auto j) BIMLP_INLINED { w[j] = V::load(weight + j * inputs * kLanes); });
        unrolled<T>([&](auto t) BIMLP_INLINED {
          const F value = V::set(run[t * token_stride + k]);
          unrolled<J>([&](auto j) BIMLP_INLINED { sum[t][j] = V::fma(value, w[j], sum[t][j]); });
        });
      }
    }
    unrolled<J>([&](auto j) BIMLP_INLINED {
      const auto done = finish(layer, layer.affine.factor, block + j, out);
      unrolled<T>([&](auto t) BIMLP_INLINED { done(first + t, sum[t][j]); });
    });
  }
};

}  // namespace bimlp
