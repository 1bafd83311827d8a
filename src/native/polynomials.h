// Minimax polynomials of sin, cos and exp on a reduced argument. Callers reduce the argument in their own way.
#pragma once
#include <cstddef>

#include "inline.h"

namespace bimlp {

// sin r = r + r u S(u) and cos r = 1 + u C(u) with u = r^2 and |r| <= pi / 2, to 4e-7. Highest power first.
constexpr float kSinPolynomial[] = {2.60005436e-06f, -1.98066147e-04f, 8.33301712e-03f, -1.66666567e-01f};
constexpr float kCosPolynomial[] = {-2.60771031e-07f, 2.47618864e-05f, -1.38884038e-03f, 4.16666418e-02f, -0.5f};
// exp r = E(r) with |r| <= ln(2) / 2, to 3e-7 of it.
constexpr float kExpPolynomial[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};

// Polynomial of degree N - 1 at x by Horner's rule, highest power first.
// V: set(float), the value in every lane, and fma(a, b, c), a b + c.
template <class V, class F, size_t N>
static BIMLP_INLINE F polynomial(F x, const float (&coefficients)[N]) {
  F sum = V::set(coefficients[0]);
  for (size_t i = 1; i < N; ++i) sum = V::fma(sum, x, V::set(coefficients[i]));
  return sum;
}

}  // namespace bimlp
