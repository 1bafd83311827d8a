// BatchNorm, shortcut and RPReLU of one channel, forward and backward.
//
// With the layer's sums s: u = scale * s, n = gamma (u - mean) / sqrt(var + kEpsilon) + beta, t = n + shortcut + b1,
// y = max(t, 0) + slope min(t, 0) + b2. Without an activation y = n.
#pragma once
#include "settings.h"
#include "simd.h"

namespace bimlp {

constexpr float kEpsilon = 1e-5f;
constexpr float kMomentum = 0.9f;

// Mean and variance of a channel.
struct Statistics {
  float mean, variance;
};

// Statistics of scale * s over the n positions of the batch, with the biased variance.
inline Statistics statistics(const float *s, int64_t n, float scale) {
  Sum sum, squares;
  for_vectors(n, [&](auto tag, int64_t i) { sum.add(load<decltype(tag)>(s + i)); });
  const float mean = sum.total() / n;
  for_vectors(n, [&](auto tag, int64_t i) {
    auto d = load<decltype(tag)>(s + i) - splat<decltype(tag)>(mean);
    squares.add(d * d);
  });
  return {scale * mean, scale * scale * (squares.total() / n)};
}

// Running statistics of a norm, by channel.
struct Running {
  float *mean, *variance;

  // Statistics to normalise channel c with: the batch's in training, else the running ones. Training updates the
  // running statistics, with the unbiased variance.
  Statistics use(int64_t c, const float *s, int64_t n, float scale, bool training) const {
    if (!training) return {mean[c], variance[c]};
    const Statistics batch = statistics(s, n, scale);
    const float unbiased = n > 1 ? batch.variance * (n / (n - 1.0f)) : batch.variance;
    mean[c] = kMomentum * mean[c] + (1 - kMomentum) * batch.mean;
    variance[c] = kMomentum * variance[c] + (1 - kMomentum) * unbiased;
    return batch;
  }
};

// Parameters of RPReLU.
struct Activation {
  float b1, slope, b2;
};

// BatchNorm as an affine function of the sums: n = factor s + offset.
struct Affine {
  float factor, offset;
};

inline Affine affine_of(Statistics used, float gamma, float beta, float scale) {
  const float inverse = 1.0f / std::sqrt(used.variance + kEpsilon);
  return {gamma * inverse * scale, beta - gamma * inverse * used.mean};
}

// Input t of RPReLU's slopes at position i. norm: with b1 in its offset; shortcut: a row, or null for none.
template <class T>
inline T activation_input(const float *s, const float *shortcut, int64_t i, Affine norm) {
  T t = norm.factor * load<T>(s + i) + splat<T>(norm.offset);
  if (shortcut != nullptr) t += load<T>(shortcut + i);
  return t;
}

// Output y of shortcut and RPReLU.
inline void activation_forward(const float *s, const float *shortcut, int64_t n, Affine affine, Activation act,
                               float *y) {
  affine.offset += act.b1;
  for_vectors(n, [&](auto tag, int64_t i) {
    using T = decltype(tag);
    const T t = activation_input<T>(s, shortcut, i, affine), zero = splat<T>(0);
    store(y + i, maximum(t, zero) + act.slope * minimum(t, zero) + splat<T>(act.b2));
  });
}

// Gradient of t from d, that of y.
template <class T>
inline T activation_gradient(T t, T d, float slope) {
  return select(t > splat<T>(0), d, slope * d);
}

// Gradients of the activation's parameters, and the sum of dt times the centred sums.
struct ActivationGradients {
  float b1, slope, b2, product;
};

// Gradients of the activation's parameters from dy, and dt unless it is null. centred: affine function of the sums.
inline ActivationGradients activation_backward(const float *dy, const float *s, const float *shortcut, int64_t n,
                                               Affine affine, Affine centred, Activation act, float *dt) {
  Sum b1, slope, b2, product;
  affine.offset += act.b1;
  for_vectors(n, [&](auto tag, int64_t i) {
    using T = decltype(tag);
    const T sums = load<T>(s + i), d = load<T>(dy + i), t = activation_input<T>(s, shortcut, i, affine);
    b2.add(d);
    slope.add(d * minimum(t, splat<T>(0)));
    const T g = activation_gradient(t, d, act.slope);
    b1.add(g);
    product.add(g * (centred.factor * sums + splat<T>(centred.offset)));
    if (dt != nullptr) store(dt + i, g);
  });
  return {b1.total(), slope.total(), b2.total(), product.total()};
}

// Gradients of a norm.
struct NormGradients {
  float gamma, beta;
  // ds = a dn + b s + c
  float a, b, c;
};

// Gradients of the norm's parameters, and ds as a function of dn and s. sum: of dn; product: of dn and scale s - mean.
inline NormGradients norm_gradients(float sum, float product, int64_t n, Statistics used, float gamma, float scale,
                                    bool training) {
  const float inverse = 1.0f / std::sqrt(used.variance + kEpsilon);
  const float dbeta = sum, dgamma = product * inverse;
  const float a = gamma * inverse * scale;
  if (!training) return {dgamma, dbeta, a, 0, 0};
  // du = gamma inverse (dn - dbeta / n - xhat dgamma / n), xhat = (scale s - mean) inverse; ds = scale du
  const float b = -a * inverse * scale * dgamma / n;
  const float c = -a * (dbeta - used.mean * inverse * dgamma) / n;
  return {dgamma, dbeta, a, b, c};
}

}  // namespace bimlp
