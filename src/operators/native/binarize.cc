// Activation quantizers: sign(x + b), or 1 if x + b > 1/2 and else 0; forward and backward.
#include "pool.h"
#include "settings.h"
#include "simd.h"
#include "surrogates.h"
#include "tensors.h"

namespace bimlp {

// Inputs: kind (int32: gradient, 1 for the values 0 and 1), x, b. Outputs: y, saved (C: b).
OPERATOR(binarize_forward) {
  const bool zero_one = t.get<int32_t>(0)[1] != 0;
  const float *x = t.get(1), *b = t.get(2);
  float *y = t.get(3), *saved = t.get(4);
  const int64_t channels = t.dim(1, 0), n = t.size(1) / channels;
  thread_pool().each(channels, [&](int64_t c) {
    saved[c] = b[c];
    for_vectors(n, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      const T v = load<T>(x + c * n + i) + splat<T>(b[c]);
      store(y + c * n + i, zero_one ? select(v > splat<T>(0.5f), splat<T>(1), splat<T>(0)) : sign(v));
    });
  });
}

// Inputs: kind, dy, x, saved. Outputs: dx, db.
OPERATOR(binarize_backward) {
  const auto gradient = static_cast<Gradient>(t.get<int32_t>(0)[0]);
  const float *dy = t.get(1), *x = t.get(2), *b = t.get(3);
  float *dx = t.get(4), *db = t.get(5);
  const int64_t channels = t.dim(2, 0), n = t.size(2) / channels;
  thread_pool().each(channels, [&](int64_t c) {
    Sum sum;
    for_vectors(n, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      const T d = sign_backward(load<T>(x + c * n + i) + splat<T>(b[c]), load<T>(dy + c * n + i), gradient);
      sum.add(d);
      store(dx + c * n + i, d);
    });
    db[c] = sum.total();
  });
}

}  // namespace bimlp
