// Activation quantizer of AdaBin, y = alpha (sign(z) + beta), z = (x - beta) / alpha, forward and backward.
#include "pool.h"
#include "scratch.h"
#include "simd.h"
#include "surrogates.h"
#include "tensors.h"

namespace bimlp {

// Inputs: kind (int32: gradient), x, alpha, beta. Outputs: y, saved (2: alpha, beta).
OPERATOR(affine_sign_forward) {
  const float *x = t.get(1), alpha = *t.get(2), beta = *t.get(3);
  float *y = t.get(4), *saved = t.get(5);
  const int64_t channels = t.dim(1, 0), n = t.size(1) / channels;
  saved[0] = alpha;
  saved[1] = beta;
  thread_pool().each(channels, [&](int64_t c) {
    for_vectors(n, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      const T z = (load<T>(x + c * n + i) - splat<T>(beta)) / splat<T>(alpha);
      store(y + c * n + i, splat<T>(alpha) * (sign(z) + splat<T>(beta)));
    });
  });
}

// Inputs: kind, dy, x, saved. Outputs: dx, dalpha, dbeta: with g = the gradient of sign at z for dy,
// dx = g, dalpha = sum dy (sign(z) + beta) - g z, dbeta = sum alpha dy - g.
OPERATOR(affine_sign_backward) {
  const auto gradient = static_cast<Gradient>(t.get<int32_t>(0)[0]);
  const float *dy = t.get(1), *x = t.get(2), alpha = t.get(3)[0], beta = t.get(3)[1];
  float *dx = t.get(4), *dalpha = t.get(5), *dbeta = t.get(6);
  const int64_t channels = t.dim(2, 0), n = t.size(2) / channels;
  float *sums = Scratch::get<float>(0, 2 * channels);
  thread_pool().each(channels, [&](int64_t c) {
    Sum of_alpha, of_beta;
    for_vectors(n, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      const T z = (load<T>(x + c * n + i) - splat<T>(beta)) / splat<T>(alpha), d = load<T>(dy + c * n + i);
      const T g = sign_backward(z, d, gradient);
      of_alpha.add(d * (sign(z) + splat<T>(beta)) - g * z);
      of_beta.add(splat<T>(alpha) * d - g);
      store(dx + c * n + i, g);
    });
    sums[c] = of_alpha.total();
    sums[channels + c] = of_beta.total();
  });
  *dalpha = *dbeta = 0;
  for (int64_t c = 0; c < channels; ++c) {
    *dalpha += sums[c];
    *dbeta += sums[channels + c];
  }
}

}  // namespace bimlp
