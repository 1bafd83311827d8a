// BatchNorm and RPReLU of a map, forward and backward.
#include "norm_rprelu.h"
#include "pool.h"
#include "tensors.h"

namespace bimlp {

// Inputs: settings, x, gamma, beta, running mean and variance, which training updates. Outputs: y, saved (3 C: gamma,
// mean, variance).
OPERATOR(norm_forward) {
  const Settings set(t.get<int32_t>(0));
  const float *x = t.get(1), *gamma = t.get(2), *beta = t.get(3);
  float *y = t.get(6), *saved = t.get(7);
  const Running running{t.get(4), t.get(5)};
  const int64_t channels = t.dim(1, 0), n = t.size(1) / channels;
  thread_pool().each(channels, [&](int64_t c) {
    const float *row = x + c * n;
    const Statistics used = running.use(c, row, n, 1, set.training);
    saved[c] = gamma[c];
    saved[channels + c] = used.mean;
    saved[2 * channels + c] = used.variance;
    const Affine affine = affine_of(used, gamma[c], beta[c], 1);
    for_vectors(n, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      store(y + c * n + i, affine.factor * load<T>(row + i) + splat<T>(affine.offset));
    });
  });
}

// Inputs: settings, dy, x, saved. Outputs: dx, dgamma, dbeta.
OPERATOR(norm_backward) {
  const Settings set(t.get<int32_t>(0));
  const float *dy = t.get(1), *x = t.get(2), *saved = t.get(3);
  float *dx = t.get(4), *dgamma = t.get(5), *dbeta = t.get(6);
  const int64_t channels = t.dim(2, 0), n = t.size(2) / channels;
  thread_pool().each(channels, [&](int64_t c) {
    const float *row = x + c * n, *d = dy + c * n;
    const Statistics used{saved[channels + c], saved[2 * channels + c]};
    Sum sum, product;
    for_vectors(n, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      sum.add(load<T>(d + i));
      product.add(load<T>(d + i) * (load<T>(row + i) - splat<T>(used.mean)));
    });
    const NormGradients g = norm_gradients(sum.total(), product.total(), n, used, saved[c], 1, set.training);
    dgamma[c] = g.gamma;
    dbeta[c] = g.beta;
    for_vectors(n, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      store(dx + c * n + i, g.a * load<T>(d + i) + g.b * load<T>(row + i) + splat<T>(g.c));
    });
  });
}

// Inputs: x, b1, slope, b2. Outputs: y, saved (2 C: b1, slope).
OPERATOR(rprelu_forward) {
  const float *x = t.get(0), *b1 = t.get(1), *slope = t.get(2), *b2 = t.get(3);
  float *y = t.get(4), *saved = t.get(5);
  const int64_t channels = t.dim(0, 0), n = t.size(0) / channels;
  thread_pool().each(channels, [&](int64_t c) {
    saved[c] = b1[c];
    saved[channels + c] = slope[c];
    activation_forward(x + c * n, nullptr, n, {1, 0}, {b1[c], slope[c], b2[c]}, y + c * n);
  });
}

// Inputs: dy, x, saved. Outputs: dx, db1, dslope, db2.
OPERATOR(rprelu_backward) {
  const float *dy = t.get(0), *x = t.get(1), *saved = t.get(2);
  float *dx = t.get(3), *db1 = t.get(4), *dslope = t.get(5), *db2 = t.get(6);
  const int64_t channels = t.dim(1, 0), n = t.size(1) / channels;
  thread_pool().each(channels, [&](int64_t c) {
    const ActivationGradients act = activation_backward(dy + c * n, x + c * n, nullptr, n, {1, 0}, {1, 0},
                                                        {saved[c], saved[channels + c], 0}, dx + c * n);
    db1[c] = act.b1;
    dslope[c] = act.slope;
    db2[c] = act.b2;
  });
}

}  // namespace bimlp
