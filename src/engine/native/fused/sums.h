// Sums of products: of positions, and over rows.
#pragma once
#include "../ops/rows.h"
#include "operands.h"

namespace bimlp {

template <class V>
struct Sums : Operands<V> {
  using F = typename V::F;
  using Operands<V>::rows;

  // Terms of a sum with their rows.
  template <int N>
  struct TermRows {
    const float *value[N], *factor[N], *scale[N], *offset;
    size_t stride[N];

    TermRows(const Terms &t, const Context &c) : offset(t.offset) {
      for (int k = 0; k < N; ++k) {
        value[k] = rows(t.value[k], c);
        stride[k] = t.value[k].stride;
        factor[k] = t.factor[k];
        scale[k] = t.scaled[k] ? rows(t.scale[k], c) : nullptr;
      }
    }
    BIMLP_INLINE F weight(int k, int at) const {
      if (!scale[k]) return factor[k] ? V::load(factor[k] + at) : V::set(1.0f);
      return factor[k] ? V::mul(V::load(factor[k] + at), V::load(scale[k] + at)) : V::load(scale[k] + at);
    }
    BIMLP_INLINE F constant(int at) const { return offset ? V::load(offset + at) : V::set(0.0f); }
  };

  // kSame: all strides are that of `out`, so that one index serves all.
  template <int N, bool kSame>
  static void sum_of(const Instruction &i, const Context &c) {
    const TermRows<N> terms(i.terms, c);
    float *out = rows(i.out, c);
    const size_t count = c.count, out_stride = i.out.stride;
    for (int at = 0; at < kLanes * i.blocks; at += kLanes) {
      // copies in locals: the compiler must assume that stores change what is in memory
      const float *p[N];
      size_t stride[N];
      F w[N];
      unrolled<N>([&](auto k) BIMLP_INLINED {
        p[k] = terms.value[k] + at;
        stride[k] = terms.stride[k];
        w[k] = terms.weight(k, at);
      });
      const F offset = terms.constant(at);
      float *to = out + at;
      for (size_t t = 0; t < count; ++t) {
        F y = offset;
        unrolled<N>([&](auto k)
                        BIMLP_INLINED { y = V::fma(w[k], V::load(p[k] + t * (kSame ? out_stride : stride[k])), y); });
        V::store(to + t * out_stride, y);
      }
    }
  }

  // Sum of the terms over a row, to row y of `out`.
  template <int N>
  static void sum_row(const Instruction &i, const Context &c) {
    const TermRows<N> terms(i.terms, c);
    const int slots = kLanes * i.blocks;
    float *out = c.arena + i.out.place + static_cast<size_t>(c.y) * slots;
    for (int at = 0; at < slots; at += kLanes) {
      F y = V::mul(V::set(static_cast<float>(c.count)), terms.constant(at));
      for (int k = 0; k < N; ++k) {
        const F total = RowOps<V>::column_sum(terms.value[k] + at, static_cast<int>(terms.stride[k]), c.count);
        y = V::fma(terms.weight(k, at), total, y);
      }
      V::store(out + at, y);
    }
  }

  template <template <int> class Run, int N = kMaxTerms>
  static void by_terms(const Instruction &i, const Context &c) {
    if (i.terms.count == N) return Run<N>::run(i, c);
    if constexpr (N > 1) by_terms<Run, N - 1>(i, c);
  }
  template <int N>
  struct SumOf {
    static void run(const Instruction &i, const Context &c) {
      bool same = true;
      for (int k = 0; k < N; ++k) same &= i.terms.value[k].stride == i.out.stride;
      same ? sum_of<N, true>(i, c) : sum_of<N, false>(i, c);
    }
  };
  template <int N>
  struct SumRow {
    static void run(const Instruction &i, const Context &c) { sum_row<N>(i, c); }
  };
  static void sum(const Instruction &i, const Context &c) { by_terms<SumOf>(i, c); }
  static void sum_of_rows(const Instruction &i, const Context &c) { by_terms<SumRow>(i, c); }
};

}  // namespace bimlp
