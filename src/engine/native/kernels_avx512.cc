// AVX-512: binary FCs by XOR and VPOPCNTDQ.
#include "kernels.h"
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VPOPCNTDQ__)
#include "lanes_avx512.h"
#include "passes.h"
#include "popcount.h"

namespace bimlp {
namespace {

struct Avx512 : Avx512Lanes {
  static constexpr const char *kName = "avx512";
  static constexpr int kTile = 8, kBlocks = 2;
  using Session = NoSession;

  // T tokens, J blocks: how many bits differ
  template <int T, int J>
  static void mismatches(const uint32_t *bits, int words, const uint32_t *weight, I (&counts)[T][J]) {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t)
#pragma GCC unroll 4
      for (int j = 0; j < J; ++j) counts[t][j] = _mm512_setzero_si512();
    for (int k = 0; k < words; ++k) {
      I w[J];
#pragma GCC unroll 4
      for (int j = 0; j < J; ++j) w[j] = _mm512_load_si512(weight + (j * words + k) * kLanes);
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        const I x = _mm512_set1_epi32(static_cast<int>(bits[t * words + k]));
#pragma GCC unroll 4
        for (int j = 0; j < J; ++j) {
          counts[t][j] = _mm512_add_epi32(counts[t][j], _mm512_popcnt_epi32(_mm512_xor_si512(x, w[j])));
        }
      }
    }
  }

  template <class Each>
  static void sums(const BinaryFC &layer, const uint32_t *bits, int tokens, const Scratch &, Each &each) {
    popcount_sums<Avx512>(layer, bits, tokens, each);
  }
};

}  // namespace

const Kernels *avx512_kernels() {
  static const Kernels table = popcount_kernels<Avx512>();
  return &table;
}

}  // namespace bimlp
#else
namespace bimlp {
const Kernels *avx512_kernels() { return nullptr; }
}  // namespace bimlp
#endif
