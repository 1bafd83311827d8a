// Channels in another order, means of groups of them, and softmax over branches.
#pragma once
#include "../ops/rows.h"
#include "../ops/transcendental.h"
#include "operands.h"

namespace bimlp {

template <class V>
struct Orders : Operands<V> {
  using F = typename V::F;
  using Operands<V>::rows;

  static void gather(const Instruction &i, const Context &c) {
    RowOps<V>::gather(rows(i.in, c), c.count, i.in.stride, i.gather, rows(i.out, c));
  }

  // Means of `group` numbers, which `gather` has one index after the other.
  static void group_mean(const Instruction &i, const Context &c) {
    const float *from = rows(i.in, c);
    float *out = rows(i.out, c);
    const F part = V::set(1.0f / static_cast<float>(i.group));
    for (int b = 0; b < i.blocks; ++b) {
      for (int t = 0; t < c.count; ++t) {
        F sum = V::set(0.0f);
        for (int k = 0; k < i.group; ++k) {
          const int n = b * i.group + k;
          const typename V::LaneGather pick(i.gather.index + kLanes * n, i.gather.window[n]);
          sum = V::add(sum, pick(from + t * i.in.stride));
        }
        V::store(out + t * i.out.stride + kLanes * b, V::mul(sum, part));
      }
    }
  }

  // Softmax over each n adjacent blocks, n the number of the terms, to which the results go.
  static void softmax(const Instruction &i, const Context &c) {
    const int n = i.terms.count;
    const float *from = rows(i.in, c);
    for (int t = 0; t < c.count; ++t, from += i.in.stride) {
      for (int b = 0; b < i.blocks; ++b) {
        const float *x = from + n * kLanes * b;
        F largest = V::load(x), sum = V::set(0.0f), e[kMaxTerms];
        for (int k = 1; k < n; ++k) largest = V::max(largest, V::load(x + k * kLanes));
        for (int k = 0; k < n; ++k) {
          e[k] = Transcendental<V>::exponential(V::sub(V::load(x + k * kLanes), largest));
          sum = V::add(sum, e[k]);
        }
        for (int k = 0; k < n; ++k) {
          const Operand &to = i.terms.value[k];
          V::store(rows(to, c) + t * to.stride + kLanes * b, V::divide(e[k], sum));
        }
      }
    }
  }
};

}  // namespace bimlp
