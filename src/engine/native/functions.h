// Wave and exponential function, by polynomials.
#pragma once
#include "kernels.h"

namespace bimlp {

template <class V>
struct Functions {
  using F = typename V::F;

  // (theta, z) -> z cos theta, z sin theta
  struct Wave {
    F cosine, sine;
  };

  // theta = n pi + r with |r| <= pi / 2; both parts change their sign with every n. To 4e-7 z for |theta| <= 1e4.
  static Wave wave(F theta, F z) {
    const F shifted = V::fma(theta, V::set(0.31830988618379067f), V::set(12582912.0f));
    const F n = V::sub(shifted, V::set(12582912.0f));  // the nearest whole number
    const F amplitude = V::flip_if_odd(z, shifted);
    F r = V::fma(n, V::set(-3.140625f), theta);  // pi in two parts, of which n times the first is exact
    r = V::fma(n, V::set(-9.67653589793e-4f), r);
    const F u = V::mul(r, r);
    F sine = V::fma(u, V::set(2.60005436e-06f), V::set(-1.98066147e-04f));
    sine = V::fma(sine, u, V::set(8.33301712e-03f));
    sine = V::fma(sine, u, V::set(-1.66666567e-01f));
    sine = V::fma(V::mul(sine, u), r, r);
    F cosine = V::fma(u, V::set(-2.60771031e-07f), V::set(2.47618864e-05f));
    cosine = V::fma(cosine, u, V::set(-1.38884038e-03f));
    cosine = V::fma(cosine, u, V::set(4.16666418e-02f));
    cosine = V::fma(cosine, u, V::set(-0.5f));
    cosine = V::fma(cosine, u, V::set(1.0f));
    return {V::mul(cosine, amplitude), V::mul(sine, amplitude)};
  }

  // e^x for x <= 0, to 3e-7 of it
  static F exponential(F x) {
    x = V::max(x, V::set(-87.0f));
    const F shifted = V::fma(x, V::set(1.44269504f), V::set(12582912.0f));
    const F n = V::sub(shifted, V::set(12582912.0f));
    F r = V::fma(n, V::set(-0.693359375f), x);
    r = V::fma(n, V::set(2.12194440e-4f), r);
    F y = V::set(1.0f / 720);
    for (float c : {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) y = V::fma(y, r, V::set(c));
    return V::times_power_of_two(y, shifted);
  }
};

}  // namespace bimlp
