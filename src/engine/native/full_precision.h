// Full-precision kernels: FC, pooling, head.
#pragma once
#include "row_ops.h"

namespace bimlp {

template <class V>
struct FullPrecision {
  using F = typename V::F;

  // A full-precision FC. out: tokens x blocks. Run s of token t starts at x + s * run_stride + t * token_stride.
  static void full_fc(const FullFC &layer, const float *x, size_t run_stride, size_t token_stride, int tokens,
                      float *out) {
    constexpr int T = V::kFullTokens;
    int t = 0;
    for (; t + T <= tokens; t += T) full_tile<T>(layer, x + t * token_stride, run_stride, token_stride, out, t);
    full_rest<T - 1>(layer, x + t * token_stride, run_stride, token_stride, tokens - t, out, t);
  }

  // The last tokens, fewer than a tile.
  template <int T>
  static void full_rest(const FullFC &layer, const float *x, size_t run_stride, size_t token_stride, int tokens,
                        float *out, int first) {
    if (tokens == T) return full_tile<T>(layer, x, run_stride, token_stride, out, first);
    if constexpr (T > 1) full_rest<T - 1>(layer, x, run_stride, token_stride, tokens, out, first);
  }

  // All output blocks of T tokens.
  template <int T>
  static void full_tile(const FullFC &layer, const float *x, size_t run_stride, size_t token_stride, float *out,
                        int first) {
    constexpr int J = V::kFullBlocks;
    int block = 0;
    for (; block + J <= layer.blocks; block += J)
      full_blocks<T, J>(layer, x, run_stride, token_stride, out, first, block);
    for (; block < layer.blocks; ++block) full_blocks<T, 1>(layer, x, run_stride, token_stride, out, first, block);
  }

  // J output blocks of T tokens.
  template <int T, int J>
  static void full_blocks(const FullFC &layer, const float *x, size_t run_stride, size_t token_stride, float *out,
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

  // Row y of the mean of the four max-pools of a map of size x size tokens. column: scratch, size x 4 blocks.
  static void pool_row(const float *map, int size, int blocks, int y, float *column, float *out) {
    const int slots = kLanes * blocks, half = (size + 1) / 2;
    const PoolWindows rows(size, y);
    for (int b = 0; b < blocks; ++b) {
      for (int x = 0; x < size; ++x) {
        const float *from = map + static_cast<size_t>(x) * slots + kLanes * b;
        F maximum = V::load(from + static_cast<size_t>(rows.begin[0]) * size * slots);
        for (int w = 0; w < kPools; ++w) {
          maximum =
              widened(maximum, rows, w, [&](int r) { return V::load(from + static_cast<size_t>(r) * size * slots); });
          V::store(column + (w * size + x) * kLanes, maximum);
        }
      }
      for (int x = 0; x < half; ++x) {
        const PoolWindows columns(size, x);
        F sum = V::set(0.0f);
        for (int w = 0; w < kPools; ++w) {
          const float *from = column + w * size * kLanes;
          F maximum = V::load(from + columns.begin[w] * kLanes);
          for (int c = columns.begin[w] + 1; c < columns.end[w]; ++c)
            maximum = V::max(maximum, V::load(from + c * kLanes));
          sum = V::add(sum, maximum);
        }
        V::store(out + static_cast<size_t>(x) * slots + kLanes * b, V::mul(sum, V::set(1.0f / kPools)));
      }
    }
  }

  // Maximum over window w, from `maximum` over window w - 1, which lies in it.
  template <class Value>
  static F widened(F maximum, const PoolWindows &windows, int w, Value value) {
    const int inner_begin = w ? windows.begin[w - 1] : windows.begin[0],
              inner_end = w ? windows.end[w - 1] : windows.begin[0];
    for (int i = windows.begin[w]; i < inner_begin; ++i) maximum = V::max(maximum, value(i));
    for (int i = inner_end; i < windows.end[w]; ++i) maximum = V::max(maximum, value(i));
    return maximum;
  }

  // Logits W (factor * mean + offset) + bias.
  static void head(const Head &head, const float *mean, float *normed, float *logits) {
    RowOps<V>::affine(mean, 1, head.inputs / kLanes, head.norm_factor, head.norm_offset, normed);
    for (int block = 0; block < head.blocks; ++block) {
      const float *weight = head.weight + static_cast<size_t>(block) * head.inputs * kLanes;
      F sum[4] = {V::load(head.bias + kLanes * block), V::set(0.0f), V::set(0.0f), V::set(0.0f)};
      for (int k = 0; k < head.inputs; k += 4) {
        for (int i = 0; i < 4; ++i) {
          sum[i] = V::fma(V::set(normed[k + i]), V::load(weight + (k + i) * kLanes), sum[i]);
        }
      }
      V::store(logits + kLanes * block, V::add(V::add(sum[0], sum[1]), V::add(sum[2], sum[3])));
    }
  }
};

}  // namespace bimlp
