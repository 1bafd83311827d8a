// Lanes of AVX2 with FMA: 16 numbers in two registers, popcount by a table of nibbles.
#pragma once
#include <immintrin.h>

#include <cstring>

#include "../ops/layers.h"

namespace bimlp {
namespace {

struct Avx2 {
  struct F {
    __m256 a, b;
  };
  struct I {
    __m256i a, b;
  };
  using B = __m256i;
  static constexpr const char *kName = "avx2";
  static constexpr bool kPaired = false, kTiles = false;
  static constexpr int kTokens = 4, kBlocks = 1, kFullTokens = 6, kFullBlocks = 1;

  static F load(const float *p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static void store(float *p, F v) {
    _mm256_storeu_ps(p, v.a);
    _mm256_storeu_ps(p + 8, v.b);
  }
  static F set(float v) { return {_mm256_set1_ps(v), _mm256_set1_ps(v)}; }
  static F add(F x, F y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
  static F sub(F x, F y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
  static F mul(F x, F y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
  static F divide(F x, F y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
  static F fma(F x, F y, F z) { return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)}; }
  static F max(F x, F y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
  static F select_gt(F x, F threshold, F a, F b) {
    return {_mm256_blendv_ps(b.a, a.a, _mm256_cmp_ps(x.a, threshold.a, _CMP_GT_OQ)),
            _mm256_blendv_ps(b.b, a.b, _mm256_cmp_ps(x.b, threshold.b, _CMP_GT_OQ))};
  }
  // 16 bits of x > threshold.
  static uint32_t gt_bits(F x, F threshold) {
    const int low = _mm256_movemask_ps(_mm256_cmp_ps(x.a, threshold.a, _CMP_GT_OQ));
    const int high = _mm256_movemask_ps(_mm256_cmp_ps(x.b, threshold.b, _CMP_GT_OQ));
    return static_cast<uint32_t>(low | high << 8);
  }
  static void store_gt_bits(uint16_t *to, F x, F threshold) { *to = static_cast<uint16_t>(gt_bits(x, threshold)); }
  static __m256 rprelu(__m256 t, __m256 slope, __m256 shift_out) {
    const __m256 positive = _mm256_cmp_ps(t, _mm256_setzero_ps(), _CMP_GT_OQ);
    return _mm256_blendv_ps(_mm256_fmadd_ps(slope, t, shift_out), _mm256_add_ps(t, shift_out), positive);
  }
  static F rprelu(F t, F slope, F shift_out) {
    return {rprelu(t.a, slope.a, shift_out.a), rprelu(t.b, slope.b, shift_out.b)};
  }
  static F to_float(I v) { return {_mm256_cvtepi32_ps(v.a), _mm256_cvtepi32_ps(v.b)}; }
  static __m256 negate_if_odd(__m256 z, __m256 shifted) {
    const __m256i sign = _mm256_slli_epi32(_mm256_castps_si256(shifted), 31);
    return _mm256_xor_ps(z, _mm256_castsi256_ps(sign));
  }
  static F negate_if_odd(F z, F shifted) { return {negate_if_odd(z.a, shifted.a), negate_if_odd(z.b, shifted.b)}; }
  static __m256 times_power_of_two(__m256 y, __m256 shifted) {
    const __m256i n = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(y), n));
  }
  static F times_power_of_two(F y, F shifted) {
    return {times_power_of_two(y.a, shifted.a), times_power_of_two(y.b, shifted.b)};
  }
  struct LaneGather {
    __m256i low, high;
    LaneGather(const int32_t *from, int)
        : low(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(from))),
          high(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(from + 8))) {}
    static __m256 gathered(const float *row, __m256i index) {
      const __m256i valid = _mm256_cmpgt_epi32(index, _mm256_set1_epi32(-1));
      return _mm256_mask_i32gather_ps(_mm256_setzero_ps(), row, index, _mm256_castsi256_ps(valid), 4);
    }
    F operator()(const float *row) const { return {gathered(row, low), gathered(row, high)}; }
  };

  static B load_bits(const void *p) { return _mm256_loadu_si256(static_cast<const __m256i *>(p)); }
  static B mismatch(const uint8_t *a, const uint8_t *b) { return _mm256_xor_si256(load_bits(a), load_bits(b)); }
  static B xor2(B a, B b) { return _mm256_xor_si256(a, b); }
  static B xor3(B a, B b, B c) { return _mm256_xor_si256(_mm256_xor_si256(a, b), c); }
  static B majority3(B a, B b, B c) {
    return _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)));
  }
  static void store_bits(uint8_t *p, B v) { _mm256_storeu_si256(reinterpret_cast<__m256i *>(p), v); }
  // Bytes, `value` for a set bit, else 0.
  static B spread(const uint8_t *bits, char value) {
    uint32_t four;
    std::memcpy(&four, bits, sizeof four);
    const B own = _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303);
    const B bit = _mm256_set1_epi64x(static_cast<int64_t>(0x8040201008040201));
    const B byte = _mm256_shuffle_epi8(_mm256_set1_epi32(static_cast<int>(four)), own);
    return _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(byte, bit), bit), _mm256_set1_epi8(value));
  }
  static void bitslice_to_bytes(const uint8_t *const *slices, int count, size_t bytes, uint8_t *numbers) {
    for (size_t i = 0; i < bytes; i += 4) {
      B n = _mm256_add_epi8(_mm256_add_epi8(spread(slices[0] + i, 1), spread(slices[1] + i, 2)),
                            spread(slices[2] + i, 4));
      if (count > 3) n = _mm256_add_epi8(n, spread(slices[3] + i, 8));
      store_bits(numbers + 8 * i, n);
    }
  }
  static I load_counts(const uint8_t *p) {
    const __m128i n = _mm_loadu_si128(reinterpret_cast<const __m128i *>(p));
    return {_mm256_cvtepu8_epi32(n), _mm256_cvtepu8_epi32(_mm_srli_si128(n, 8))};
  }

  // Number of set bits of each byte.
  static B ones_of_bytes(B v) {
    const B table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                     0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const B nibble = _mm256_set1_epi8(15);
    const B low = _mm256_shuffle_epi8(table, _mm256_and_si256(v, nibble));
    return _mm256_add_epi8(low, _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble)));
  }
  static B sum_of_bytes(B v) {
    return _mm256_madd_epi16(_mm256_maddubs_epi16(v, _mm256_set1_epi8(1)), _mm256_set1_epi16(1));
  }

  static constexpr int kWordsPerByte = 31;  // words whose ones a byte can count

  template <int T, int J>
  static void mismatches(const BitRuns &x, const uint32_t *weight, size_t, I (&counts)[T][J]) {
    static_assert(J == 1);
    B a[T], b[T];
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      a[t] = b[t] = _mm256_setzero_si256();
      counts[t][0] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    }
    int left = kWordsPerByte;
    for (int s = 0; s < x.runs; ++s) {
      for (int k = 0; k < x.length;) {
        const int last = x.length - k < left ? x.length : k + left;
        left -= last - k;
        for (; k < last; ++k, weight += kLanes) {
          const B low = load_bits(weight), high = load_bits(weight + 8);
#pragma GCC unroll 4
          for (int t = 0; t < T; ++t) {
            const B own = _mm256_set1_epi32(static_cast<int>(x.run[s][t * x.step + k]));
            a[t] = _mm256_add_epi8(a[t], ones_of_bytes(_mm256_xor_si256(own, low)));
            b[t] = _mm256_add_epi8(b[t], ones_of_bytes(_mm256_xor_si256(own, high)));
          }
        }
        if (left) continue;
        add_bytes<T>(a, b, counts);
        left = kWordsPerByte;
      }
    }
    if (left < kWordsPerByte) add_bytes<T>(a, b, counts);
  }

  // Adds the bytes to the counts and clears them.
  template <int T>
  static void add_bytes(B (&a)[T], B (&b)[T], I (&counts)[T][1]) {
#pragma GCC unroll 4
    for (int t = 0; t < T; ++t) {
      counts[t][0].a = _mm256_add_epi32(counts[t][0].a, sum_of_bytes(a[t]));
      counts[t][0].b = _mm256_add_epi32(counts[t][0].b, sum_of_bytes(b[t]));
      a[t] = b[t] = _mm256_setzero_si256();
    }
  }
};

}  // namespace
}  // namespace bimlp
