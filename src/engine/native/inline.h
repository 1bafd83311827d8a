// What has to be inlined.
#pragma once
#include <utility>

// GCC keeps arrays in memory that are indexed by loop counters: inner loops are unrolled by `unrolled` instead, whose counters are
// constants, and only where everything is inlined.
#define BIMLP_INLINED __attribute__((always_inline))
#define BIMLP_INLINE inline BIMLP_INLINED

namespace bimlp {

template <int... I, class Body>
static BIMLP_INLINE void unrolled(std::integer_sequence<int, I...>, Body body) {
  (body(std::integral_constant<int, I>()), ...);
}
// body(0) .. body(N - 1)
template <int N, class Body>
static BIMLP_INLINE void unrolled(Body body) {
  unrolled(std::make_integer_sequence<int, N>(), body);
}

}  // namespace bimlp
