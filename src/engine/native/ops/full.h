// Convolutions with full precision, with what follows them.
#pragma once
#include "../../../native/inline.h"
#include "layers.h"

namespace bimlp {

template <class V>
struct FullLayers {
  using F = typename V::F;

  // A full-precision FC. out: tokens x blocks. Run s of token t starts at x + s * run_stride + t * token_stride.
  static void run(const FullLayer &layer, const float *x, size_t run_stride, size_t token_stride, int tokens,
                  float *out) {
    constexpr int T = V::kFullTokens;
    int t = 0;
    for (; t + T <= tokens; t += T) full_tile<T>(layer, x + t * token_stride, run_stride, token_stride, out, t);
    full_rest<T - 1>(layer, x + t * token_stride, run_stride, token_stride, tokens - t, out, t);
  }

  // The last tokens, fewer than a tile.
  template <int T>
  static void full_rest(const FullLayer &layer, const float *x, size_t run_stride, size_t token_stride, int tokens,
                        float *out, int first) {
    if (tokens == T) return full_tile<T>(layer, x, run_stride, token_stride, out, first);
    if constexpr (T > 1) full_rest<T - 1>(layer, x, run_stride, token_stride, tokens, out, first);
  }

  // All output blocks of T tokens.
  template <int T>
  static void full_tile(const FullLayer &layer, const float *x, size_t run_stride, size_t token_stride, float *out,
                        int first) {
    constexpr int J = V::kFullBlocks;
    int block = 0;
    for (; block + J <= layer.blocks; block += J)
      full_blocks<T, J>(layer, x, run_stride, token_stride, out, first, block);
    for (; block < layer.blocks; ++block) full_blocks<T, 1>(layer, x, run_stride, token_stride, out, first, block);
  }

  // J output blocks of T tokens.
  template <int T, int J>
  static void full_blocks(const FullLayer &layer, const float *x, size_t run_stride, size_t token_stride, float *out,
                          int first, int block) {
    const size_t inputs = static_cast<size_t>(layer.runs) * layer.length;
    const float *weight = layer.weight + block * inputs * kLanes;
    F sum[T][J];
    unrolled<T * J>([&](auto i) BIMLP_INLINED { sum[i / J][i % J] = V::set(0.0f); });
    for (int s = 0; s < layer.runs; ++s) {
      const float *run = x + s * run_stride;
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
      const int at = kLanes * (block + j);
      const F factor = V::load(layer.affine.factor + at), offset = V::load(layer.affine.offset + at);
      const F slope = V::load(layer.affine.slope + at), shift = V::load(layer.affine.shift_out + at);
      unrolled<T>([&](auto t) BIMLP_INLINED {
        const F y = V::rprelu(V::fma(factor, sum[t][j], offset), slope, shift);
        V::store(out + static_cast<size_t>(first + t) * kLanes * layer.blocks + at, y);
      });
    });
  }
};

}  // namespace bimlp
