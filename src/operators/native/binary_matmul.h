// Matrix product of signs by xor and popcount: a sum of C products of signs is C - 2 d, d the number of bits that
// differ.
//
// A word holds 32 channels of one position. Words lie as [word][position], so that a vector holds the same word of
// neighbouring positions. A set bit is +1. Bits beyond the last channel are 0 in both operands and never differ.
#pragma once
#include <algorithm>

#include "../../native/popcount.h"
#include "pool.h"
#include "simd.h"

#if defined(__AVX512VPOPCNTDQ__)
#include <immintrin.h>
#endif

namespace bimlp {

typedef uint32_t VecWord __attribute__((vector_size(kLanes * sizeof(uint32_t))));

constexpr int kWordBits = 32;
constexpr int64_t kTilePositions = 2 * kLanes;           // positions of one tile
constexpr int64_t kPassPositions = 16 * kTilePositions;  // positions whose words stay in the L1 cache for all rows

inline int64_t words_of(int64_t channels) { return (channels + kWordBits - 1) / kWordBits; }
// Positions rounded up to whole tiles.
inline int64_t padded_positions(int64_t n) { return (n + kTilePositions - 1) / kTilePositions * kTilePositions; }

// Set bits of each word.
inline VecWord popcounts(VecWord v) {
#if defined(__AVX512VPOPCNTDQ__)
  return reinterpret_cast<VecWord>(_mm512_popcnt_epi32(reinterpret_cast<__m512i>(v)));
#else
  return popcount(v);
#endif
}

inline VecWord load_words(const uint32_t *p) {
  VecWord v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// Words of the positions [start, end): bit c is that of sign(x[c] + b[c]), c < count <= 32, rows `stride` apart.
inline void pack_words(const float *x, const float *b, int64_t count, int64_t stride, int64_t start, int64_t end,
                       uint32_t *words) {
  int64_t i = start;
  for (; i + kLanes <= end; i += kLanes) {
    VecWord packed{};
    for (int64_t c = 0; c < count; ++c) {
      const VecInt above = load<Vec>(x + c * stride + i) + splat<Vec>(b[c]) > splat<Vec>(0);
      packed |= reinterpret_cast<VecWord>(above) & (uint32_t{1} << c);
    }
    std::memcpy(words + i, &packed, sizeof packed);
  }
  for (; i < end; ++i) {
    uint32_t packed = 0;
    for (int64_t c = 0; c < count; ++c) packed |= static_cast<uint32_t>(x[c * stride + i] + b[c] > 0) << c;
    words[i] = packed;
  }
}

// Bits of sign(x + b), x (channels, n), as bits[word][position]. `bits` has room for padded_positions(n) positions.
inline void pack_bits(const float *x, const float *b, int64_t channels, int64_t n, uint32_t *bits) {
  const int64_t stride = padded_positions(n), passes = (n + kPassPositions - 1) / kPassPositions;
  thread_pool().each(words_of(channels) * passes, [&](int64_t item) {
    const int64_t word = item / passes, start = item % passes * kPassPositions, first = word * kWordBits;
    pack_words(x + first * n, b + first, std::min<int64_t>(kWordBits, channels - first), n, start,
               std::min(n, start + kPassPositions), bits + word * stride);
  });
}

// Signs of one filter of `count` weights, as words.
inline void pack_filter(const float *w, int64_t count, uint32_t *words) {
  std::fill(words, words + words_of(count), 0u);
  for (int64_t c = 0; c < count; ++c) words[c / kWordBits] |= static_cast<uint32_t>(w[c] > 0) << (c % kWordBits);
}

// Sums of R filters at kTilePositions positions, whose words k lie at bits(k), into out[r n + i] for i < count.
template <int R, class F>
inline void count_tile(const uint32_t *filters, F bits, int64_t words, float channels, float *out, int64_t n,
                       int64_t count) {
  VecWord mismatches[R][2] = {};
  for (int64_t k = 0; k < words; ++k) {
    const uint32_t *from = bits(k);
    const VecWord low = load_words(from), high = load_words(from + kLanes);
    for (int r = 0; r < R; ++r) {
      const uint32_t filter = filters[r * words + k];
      mismatches[r][0] += popcounts(low ^ filter);
      mismatches[r][1] += popcounts(high ^ filter);
    }
  }
  for (int r = 0; r < R; ++r) {
    Vec sums[2];
    for (int half = 0; half < 2; ++half)
      sums[half] =
          splat<Vec>(channels) - 2.0f * __builtin_convertvector(reinterpret_cast<VecInt>(mismatches[r][half]), Vec);
    if (count == kTilePositions) {
      store(out + r * n, sums[0]);
      store(out + r * n + kLanes, sums[1]);
    } else {
      std::memcpy(out + r * n, sums, count * sizeof(float));
    }
  }
}

// Rows [first, last) of sign(W) sign(x + b), (rows, n), into `out`, from the words of both operands.
inline void binary_matmul(const uint32_t *filters, const uint32_t *bits, int64_t channels, int64_t n, int64_t first,
                          int64_t last, float *out) {
  constexpr int R = 4;
  const int64_t words = words_of(channels), stride = padded_positions(n);
  for (int64_t pass = 0; pass < n; pass += kPassPositions) {
    const int64_t end = std::min(n, pass + kPassPositions);
    for (int64_t row = first; row < last;) {
      const bool full_tile = row + R <= last;
      for (int64_t i = pass; i < end; i += kTilePositions) {
        const int64_t count = std::min(kTilePositions, n - i);
        const auto words_at = [bits, stride, i](int64_t k) { return bits + k * stride + i; };
        const auto tile = full_tile ? count_tile<R, decltype(words_at)> : count_tile<1, decltype(words_at)>;
        tile(filters + row * words, words_at, words, channels, out + row * n + i, n, count);
      }
      row += full_tile ? R : 1;
    }
  }
}

}  // namespace bimlp
