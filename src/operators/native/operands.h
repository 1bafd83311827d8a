// The operands of a binary layer: signs or the numbers themselves, and the scale.
#pragma once
#include "settings.h"
#include "simd.h"

namespace bimlp {

inline float weight_operand(float w, const Settings &set) { return set.binary_weight() ? sign(w) : w; }

template <class T>
inline T input_operand(T x, float b, const Settings &set) {
  return set.binary_act() ? sign(x + splat<T>(b)) : x;
}

// alpha of a filter of `count` weights: mean |w|, or 1 where weights stay real.
inline float scale_of(const float *w, int64_t count, const Settings &set) {
  if (!set.binary_weight()) return 1;
  Sum sum;
  over(count, [&](auto tag, int64_t i) {
    auto v = load<decltype(tag)>(w + i);
    sum.add(maximum(v, -v));
  });
  return sum.total() / count;
}

// The gradient of a weight from that of its operand.
template <class T>
inline T weight_backward(T w, T d, const Settings &set) {
  return set.binary_weight() ? select(within_one(w), d, splat<T>(0)) : d;
}

}  // namespace bimlp
