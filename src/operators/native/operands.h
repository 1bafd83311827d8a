// Operands of a binary layer, which are signs or real numbers by its precision, and the scale alpha.
#pragma once
#include "settings.h"
#include "simd.h"

namespace bimlp {

// Weight as the product takes it.
inline float weight_operand(float w, const Settings &set) { return set.binary_weight() ? sign(w) : w; }

// Input as the product takes it.
template <class T>
inline T input_operand(T x, float b, const Settings &set) {
  return set.binary_act() ? sign(x + splat<T>(b)) : x;
}

// Scale alpha of a filter of `count` weights: mean |w|, or 1 for real weights.
inline float scale_of(const float *w, int64_t count, const Settings &set) {
  if (!set.binary_weight()) return 1;
  Sum sum;
  for_vectors(count, [&](auto tag, int64_t i) {
    auto v = load<decltype(tag)>(w + i);
    sum.add(maximum(v, -v));
  });
  return sum.total() / count;
}

// Gradient of a weight from the gradient d of its operand.
template <class T>
inline T weight_backward(T w, T d, const Settings &set) {
  return set.binary_weight() ? select(within_one(w), d, splat<T>(0)) : d;
}

}  // namespace bimlp
