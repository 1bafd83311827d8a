// Wave and exponential function by polynomials.
#pragma once
#include "../../../native/polynomials.h"

namespace bimlp {

template <class V>
struct Transcendental {
  using F = typename V::F;

  // z cos theta and z sin theta.
  struct Wave {
    F cosine, sine;
  };

  // Wave of theta = n pi + r with |r| <= pi / 2. Both parts change their sign with every n. To 4e-7 z for |theta| <=
  // 1e4.
  static Wave wave(F theta, F z) {
    const F shifted = V::fma(theta, V::set(0.31830988618379067f), V::set(12582912.0f));
    const F n = V::sub(shifted, V::set(12582912.0f));  // nearest integer
    const F amplitude = V::negate_if_odd(z, shifted);
    F r = V::fma(n, V::set(-3.140625f), theta);  // pi in two parts; n times the first is exact
    r = V::fma(n, V::set(-9.67653589793e-4f), r);
    const F u = V::mul(r, r);
    const F sine = V::fma(V::mul(polynomial<V>(u, kSinPolynomial), u), r, r);
    const F cosine = V::fma(polynomial<V>(u, kCosPolynomial), u, V::set(1.0f));
    return {V::mul(cosine, amplitude), V::mul(sine, amplitude)};
  }

  // e^x for x <= 0, to 3e-7 of its value.
  static F exponential(F x) {
    x = V::max(x, V::set(-87.0f));
    const F shifted = V::fma(x, V::set(1.44269504f), V::set(12582912.0f));
    const F n = V::sub(shifted, V::set(12582912.0f));
    F r = V::fma(n, V::set(-0.693359375f), x);
    r = V::fma(n, V::set(2.12194440e-4f), r);
    return V::times_power_of_two(polynomial<V>(r, kExpPolynomial), shifted);
  }
};

}  // namespace bimlp
