// Lanes of AVX-512: 16 numbers, or 512 bits, in one register.
#pragma once
#include <immintrin.h>

#include "../../../native/inline.h"
#include "../ops/layers.h"

namespace bimlp {
namespace {

// Mask of all lanes. GCC 12 warns of its own header for operations without a mask, which leave "undefined" lanes.
constexpr __mmask16 kAll = 0xffff;

struct Avx512Lanes {
  using F = __m512;
  using I = __m512i;
  using B = __m512i;
  static constexpr int kFullTokens = 12, kFullBlocks = 2;

  static F load(const float *p) { return _mm512_loadu_ps(p); }
  static void store(float *p, F v) { _mm512_storeu_ps(p, v); }
  static F set(float v) { return _mm512_set1_ps(v); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F divide(F a, F b) { return _mm512_div_ps(a, b); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F max(F a, F b) { return _mm512_maskz_max_ps(kAll, a, b); }
  static F select_gt(F x, F threshold, F a, F b) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, threshold, _CMP_GT_OQ), b, a);
  }
  // 16 bits of x > threshold.
  static uint32_t gt_bits(F x, F threshold) { return _mm512_cmp_ps_mask(x, threshold, _CMP_GT_OQ); }
  static void store_gt_bits(uint16_t *to, F x, F threshold) {
    _store_mask16(reinterpret_cast<__mmask16 *>(to), _mm512_cmp_ps_mask(x, threshold, _CMP_GT_OQ));
  }
  static F rprelu(F t, F slope, F shift_out) {
    const __mmask16 positive = _mm512_cmp_ps_mask(t, _mm512_setzero_ps(), _CMP_GT_OQ);
    return _mm512_mask_add_ps(_mm512_fmadd_ps(slope, t, shift_out), positive, t, shift_out);
  }
  static F to_float(I v) { return _mm512_maskz_cvtepi32_ps(kAll, v); }
  // -z in lanes in which the integer in the low bits of `shifted` is odd, else z.
  static F negate_if_odd(F z, F shifted) {
    const I sign = _mm512_maskz_slli_epi32(kAll, _mm512_castps_si512(shifted), 31);
    return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(z), sign));
  }
  // y * 2^n, n the integer in the low bits of `shifted`.
  static F times_power_of_two(F y, F shifted) {
    const I n = _mm512_maskz_slli_epi32(kAll, _mm512_castps_si512(shifted), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(y), n));
  }
  // One block of a Gather, as a function of the row.
  struct LaneGather {
    I index, offset;
    __mmask16 valid, upper;
    int window;

    LaneGather(const int32_t *from, int begin) : index(_mm512_loadu_si512(from)), window(begin) {
      offset = _mm512_sub_epi32(index, _mm512_set1_epi32(window));
      valid = _mm512_cmpge_epi32_mask(index, _mm512_setzero_si512());
      upper = _mm512_test_epi32_mask(offset, _mm512_set1_epi32(32));
    }
    F operator()(const float *row) const {
      if (window < 0) return _mm512_mask_i32gather_ps(_mm512_setzero_ps(), valid, index, row, 4);
      const float *from = row + window;
      const F low = _mm512_permutex2var_ps(load(from), offset, load(from + 16));
      const F high = _mm512_permutex2var_ps(load(from + 32), offset, load(from + 48));
      return _mm512_maskz_mov_ps(valid, _mm512_mask_blend_ps(upper, low, high));
    }
  };

  static B mismatch(const uint8_t *a, const uint8_t *b) {
    return _mm512_xor_si512(_mm512_loadu_si512(a), _mm512_loadu_si512(b));
  }
  static B xor2(B a, B b) { return _mm512_xor_si512(a, b); }
  static B xor3(B a, B b, B c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }
  static B majority3(B a, B b, B c) { return _mm512_ternarylogic_epi64(a, b, c, 0xe8); }
  static void store_bits(uint8_t *p, B v) { _mm512_storeu_si512(p, v); }
  // Byte i of `numbers`: the number whose bit d is bit i of slices[d], d < count.
  static void bitslice_to_bytes(const uint8_t *const *slices, int count, size_t bytes, uint8_t *numbers) {
    const auto mask = [&](int d, size_t i) {
      return _load_mask64(reinterpret_cast<__mmask64 *>(const_cast<uint8_t *>(slices[d] + i)));
    };
    const I two = _mm512_set1_epi8(2), four = _mm512_set1_epi8(4), eight = _mm512_set1_epi8(8);
    for (size_t i = 0; i < bytes; i += 8) {
      I n = _mm512_maskz_set1_epi8(mask(0, i), 1);
      n = _mm512_mask_add_epi8(n, mask(1, i), n, two);
      n = _mm512_mask_add_epi8(n, mask(2, i), n, four);
      if (count > 3) n = _mm512_mask_add_epi8(n, mask(3, i), n, eight);
      _mm512_storeu_si512(numbers + 8 * i, n);
    }
  }
  static I load_counts(const uint8_t *p) {
    return _mm512_maskz_cvtepu8_epi32(kAll, _mm_loadu_si128(reinterpret_cast<const __m128i *>(p)));
  }
};

// With XOR and VPOPCNTDQ.
struct Avx512 : Avx512Lanes {
  static constexpr const char *kName = "avx512";
  static constexpr int kTokens = 8, kBlocks = 2;
  static constexpr bool kPaired = true, kTiles = false;  // of window layers

  // Number of bits that differ, for T tokens and J blocks, whose weights lie `block` numbers apart.
  template <int T, int J>
  static BIMLP_INLINE void mismatches(const BitRuns &x, const uint32_t *weight, size_t block, I (&counts)[T][J]) {
    unrolled<T * J>([&](auto i) BIMLP_INLINED { counts[i / J][i % J] = _mm512_setzero_si512(); });
    const int length = x.length;
    const size_t step = x.step;
    for (int s = 0; s < x.runs; ++s) {
      const uint32_t *bits = x.run[s];
      for (int k = 0; k < length; ++k, weight += kLanes) {
        I w[J];
        unrolled<J>([&](auto j) BIMLP_INLINED { w[j] = _mm512_load_si512(weight + j * block); });
        unrolled<T>([&](auto t) BIMLP_INLINED {
          const I own = _mm512_set1_epi32(static_cast<int>(bits[t * step + k]));
          unrolled<J>([&](auto j) BIMLP_INLINED {
            counts[t][j] = _mm512_add_epi32(counts[t][j], _mm512_popcnt_epi32(_mm512_xor_si512(own, w[j])));
          });
        });
      }
    }
  }

  // The same of paired words: of each two, the second is the first XOR the second. The bits of each pair and the odd
  // bit of those before have a carry of three bits, whose popcount counts twice.
  template <int T>
  static BIMLP_INLINE void paired_mismatches(const BitRuns &x, const uint32_t *weight, I (&counts)[T][1]) {
    // of (odd, a, odd ^ a ^ b): whether two of odd, a and b are set
    constexpr int kXor = 0x96, kCarry = 0xd4;
    I odd[T];
    unrolled<T>([&](auto t) BIMLP_INLINED { counts[t][0] = odd[t] = _mm512_setzero_si512(); });
    const int length = x.length;
    const size_t step = x.step;
    for (int s = 0; s < x.runs; ++s) {
      const uint32_t *bits = x.run[s];
      for (int k = 0; k < length; k += 2, weight += 2 * kLanes) {
        const I first = _mm512_load_si512(weight), both = _mm512_load_si512(weight + kLanes);
        unrolled<T>([&](auto t) BIMLP_INLINED {
          const I a = _mm512_xor_si512(_mm512_set1_epi32(static_cast<int>(bits[t * step + k])), first);
          const I pair = _mm512_set1_epi32(static_cast<int>(bits[t * step + k + 1]));
          const I sum = _mm512_ternarylogic_epi32(odd[t], pair, both, kXor);
          const I carry = _mm512_ternarylogic_epi32(odd[t], a, sum, kCarry);
          counts[t][0] = _mm512_add_epi32(counts[t][0], _mm512_popcnt_epi32(carry));
          odd[t] = sum;
        });
      }
    }
    unrolled<T>([&](auto t) BIMLP_INLINED {
      const I twice = _mm512_add_epi32(counts[t][0], counts[t][0]);
      counts[t][0] = _mm512_add_epi32(twice, _mm512_popcnt_epi32(odd[t]));
    });
  }
};

}  // namespace
}  // namespace bimlp
