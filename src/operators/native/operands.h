// Operands of a binary layer, which are signs or real numbers by its precision, and the scale alpha.
#pragma once
#include <algorithm>

#include "settings.h"
#include "simd.h"

namespace bimlp {

constexpr float kTiny = 1e-30f;  // TINY of src/model/layers/quantizers.py

// Weight as the product takes it.
inline float weight_operand(float w, const Settings &set) { return set.binary_weight() ? sign(w) : w; }

// Input as the product takes it.
template <class T>
inline T input_operand(T x, float b, const Settings &set) {
  return set.binary_act() ? sign(x + splat<T>(b)) : x;
}

// Scale alpha of a filter of `count` weights: mean |w|, or 1 for real weights and Scale::none.
inline float scale_of(const float *w, int64_t count, const Settings &set) {
  if (!set.binary_weight() || set.scale == Scale::none) return 1;
  Sum sum;
  for_vectors(count, [&](auto tag, int64_t i) {
    auto v = load<decltype(tag)>(w + i);
    sum.add(maximum(v, -v));
  });
  return sum.total() / count;
}

// Factor of the gradients of a filter's weights, by which Scale::mean_forward takes its scale out of them.
inline float weight_factor(float scale, const Settings &set) {
  return set.binary_weight() && set.scale == Scale::mean_forward ? 1 / std::max(scale, kTiny) : 1;
}

// Gradient of a weight from the gradient d of its operand.
template <class T>
inline T weight_backward(T w, T d, float factor, const Settings &set) {
  return set.binary_weight() ? select(within_one(w), factor * d, splat<T>(0)) : d;
}

}  // namespace bimlp
