// Forced inlining, and loops unrolled at compile time.
//
// Files compiled for different instruction sets share the headers of this folder. The linker keeps one definition of a
// function that several files define, perhaps the one with AVX-512. Shared functions are therefore inlined by force, or
// are templates over types without linkage.
#pragma once
#include <utility>

// GCC keeps an array in memory if a loop counter indexes it. Inner loops therefore use `unrolled`, whose counters are
// constants; this needs everything in the loop inlined.
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
