// Product of a map and a number per channel, y = f_c x, forward and backward.
#include <algorithm>

#include "pool.h"
#include "simd.h"
#include "tensors.h"

namespace bimlp {

// Inputs: x, f. Outputs: y, saved (f).
OPERATOR(scale_forward) {
  const float *x = t.get(0), *f = t.get(1);
  float *y = t.get(2), *saved = t.get(3);
  const int64_t channels = t.dim(0, 0), n = t.size(0) / channels;
  std::copy(f, f + channels, saved);
  thread_pool().each(channels, [&](int64_t c) {
    for_vectors(n, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      store(y + c * n + i, splat<T>(f[c]) * load<T>(x + c * n + i));
    });
  });
}

// Inputs: dy, x, saved. Outputs: dx, df.
OPERATOR(scale_backward) {
  const float *dy = t.get(0), *x = t.get(1), *f = t.get(2);
  float *dx = t.get(3), *df = t.get(4);
  const int64_t channels = t.dim(1, 0), n = t.size(1) / channels;
  thread_pool().each(channels, [&](int64_t c) {
    Sum sum;
    for_vectors(n, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      const T d = load<T>(dy + c * n + i);
      sum.add(d * load<T>(x + c * n + i));
      store(dx + c * n + i, splat<T>(f[c]) * d);
    });
    df[c] = sum.total();
  });
}

}  // namespace bimlp
