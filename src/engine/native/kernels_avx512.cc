// Kernels of AVX-512: binary FCs by XOR and VPOPCNTDQ.
#include "kernels.h"
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VPOPCNTDQ__)
#include "lanes_avx512.h"
#include "passes.h"

namespace bimlp {
namespace {

struct Avx512 : Avx512Lanes {
  static constexpr const char *kName = "avx512";
  static constexpr int kTokens = 8, kBlocks = 2;

  // Number of bits that differ, for T tokens and J blocks.
  template <int T, int J>
  static BIMLP_INLINE void mismatches(const uint32_t *bits, int words, const uint32_t *weight, I (&counts)[T][J]) {
    unrolled<T * J>([&](auto i) BIMLP_INLINED { counts[i / J][i % J] = _mm512_setzero_si512(); });
    for (int k = 0; k < words; ++k) {
      I w[J];
      unrolled<J>([&](auto j) BIMLP_INLINED { w[j] = _mm512_load_si512(weight + (j * words + k) * kLanes); });
      unrolled<T>([&](auto t) BIMLP_INLINED {
        const I x = _mm512_set1_epi32(static_cast<int>(bits[t * words + k]));
        unrolled<J>([&](auto j) BIMLP_INLINED {
          counts[t][j] = _mm512_add_epi32(counts[t][j], _mm512_popcnt_epi32(_mm512_xor_si512(x, w[j])));
        });
      });
    }
  }
};

}  // namespace

const Kernels *avx512_kernels() {
  static const Kernels table = pass_kernels<Avx512>();
  return &table;
}

}  // namespace bimlp
#else
namespace bimlp {
const Kernels *avx512_kernels() { return nullptr; }
}  // namespace bimlp
#endif
