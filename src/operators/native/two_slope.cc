// Two-slope PReLU, y = p_c max(x, 0) + n_c min(x, 0), forward and backward. At 0 the gradient is that of n.
#include <algorithm>

#include "pool.h"
#include "simd.h"
#include "tensors.h"

namespace bimlp {

// Inputs: x, p, n. Outputs: y, saved (2 C: p, n).
OPERATOR(two_slope_forward) {
  const float *x = t.get(0), *positive = t.get(1), *negative = t.get(2);
  float *y = t.get(3), *saved = t.get(4);
  const int64_t channels = t.dim(0, 0), n = t.size(0) / channels;
  std::copy(positive, positive + channels, saved);
  std::copy(negative, negative + channels, saved + channels);
  thread_pool().each(channels, [&](int64_t c) {
    for_vectors(n, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      const T v = load<T>(x + c * n + i);
      store(y + c * n + i, v * select(v > splat<T>(0), splat<T>(positive[c]), splat<T>(negative[c])));
    });
  });
}

// Inputs: dy, x, saved. Outputs: dx, dp, dn.
OPERATOR(two_slope_backward) {
  const float *dy = t.get(0), *x = t.get(1), *saved = t.get(2);
  float *dx = t.get(3), *dp = t.get(4), *dn = t.get(5);
  const int64_t channels = t.dim(1, 0), n = t.size(1) / channels;
  thread_pool().each(channels, [&](int64_t c) {
    const float positive = saved[c], negative = saved[channels + c];
    Sum above, below;
    for_vectors(n, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      const T v = load<T>(x + c * n + i), d = load<T>(dy + c * n + i), zero = splat<T>(0);
      const auto is_above = v > zero;
      above.add(select(is_above, d * v, zero));
      below.add(select(is_above, zero, d * v));
      store(dx + c * n + i, d * select(is_above, splat<T>(positive), splat<T>(negative)));
    });
    dp[c] = above.total();
    dn[c] = below.total();
  });
}

}  // namespace bimlp
