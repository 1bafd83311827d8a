// Surrogate gradients of sign, as src/model defines them.
#pragma once
#include "../../native/polynomials.h"
#include "settings.h"
#include "simd.h"

namespace bimlp {

// exp(-min(a, 80)) for a >= 0, to 3e-7 of its value.
template <class T>
inline T exp_of_negative(T a) {
  const T turns = -1.44269504f * minimum(a, splat<T>(80));
  const auto rounded = to_integer(turns - splat<T>(0.5f));  // rounds, for turns <= 0
  const T h = 0.693147181f * (turns - to_float(rounded));   // |h| <= ln(2) / 2
  return polynomial<Arithmetic<T>>(h, kExpPolynomial) * power_of_two(rounded);
}

constexpr float kDsqK = 1.09861229f, kDsqFactor = kDsqK / 0.8f;  // tanh(k) = 0.8
constexpr float kBnnPlusBeta = 5;

// Surrogate gradient of sign at v, times dv.
template <class T>
inline T sign_backward(T v, T dv, Gradient gradient) {
  const T zero = splat<T>(0), one = splat<T>(1), size = maximum(v, -v);
  switch (gradient) {
    case Gradient::ste: return select(within_one(v), dv, zero);
    case Gradient::approx_sign: return dv * (2.0f * maximum(one - size, zero));
    case Gradient::clip_grad: return maximum(minimum(dv, one), -one);
    case Gradient::dorefa: return select((v >= zero) & (v <= one), dv, zero);
    case Gradient::dsq: {  // 1 - tanh^2(u) = 4 e / (1 + e)^2, e = exp(-2 |u|)
      const T e = exp_of_negative(2 * kDsqK * size);
      return select(within_one(v), dv * (4 * kDsqFactor * e / ((one + e) * (one + e))), zero);
    }
    case Gradient::swish_sign: {
      // u = b |x|, e = exp(-u): tanh(u / 2) = (1 - e) / (1 + e), 1 + cosh(u) = (1 + e)^2 / 2 e
      const T u = kBnnPlusBeta * minimum(size, splat<T>(16)), e = exp_of_negative(u);
      const T top = splat<T>(2) - u * (one - e) / (one + e);
      return dv * (2 * kBnnPlusBeta * e * top / ((one + e) * (one + e)));
    }
  }
  return zero;
}

}  // namespace bimlp
