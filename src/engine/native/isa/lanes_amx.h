// Lanes of AVX-512 with a matrix unit (Intel AMX): products of bytes and signs, and of numbers by their digits.
#pragma once
#include "../ops/tiles.h"
#include "lanes_avx512.h"

namespace bimlp {
namespace {

// Use of the matrix unit by the calling thread. Tiles of the last positions have fewer rows.
class AmxUnit {
 public:
  // Tiles of the last positions, as bits. Signs: sums in tiles 0 to 3, bytes in 4 to 6, weights in 7. Digits: sums in
  // tiles 0 to 5, inputs in 6, weights in 7.
  static constexpr unsigned kLastOfSigns = 1u << 3 | 1u << 6;

  AmxUnit() = default;
  ~AmxUnit() { _tile_release(); }
  AmxUnit(const AmxUnit &) = delete;

  // Gives the tiles of the last positions so many rows.
  void set_rows(unsigned tiles, int rows) {
    if (rows == rows_) return;
    rows_ = rows;
    struct {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t bytes[16] = {};
      uint8_t rows[16] = {};
    } shape;
    for (int tile = 0; tile < 8; ++tile) {
      shape.bytes[tile] = 64;
      shape.rows[tile] = static_cast<uint8_t>(tiles >> tile & 1 ? rows : kTileRows);
    }
    in_memory(&shape);
    _tile_loadconfig(&shape);
  }

  // Sums of an output block and M tiles of positions, from `first` bytes behind the runs on. Weights are bytes in two
  // places of `bytes` in turn: while one tile is multiplied, the next one is made.
  template <int M>
  void multiply(const SignTiles &weight, int block, const int8_t *const *run, size_t first, size_t step, int8_t *bytes,
                int32_t *sums) const {
    if (M > 1) _tile_zero(0);
    if (M > 2) _tile_zero(1);
    if (M > 3) _tile_zero(2);
    _tile_zero(3);
    const int steps = weight.steps;
    const uint64_t *sign = weight.sign + static_cast<size_t>(block) * weight.runs * steps * kTileRows;
    int place = 0, next = 0;  // tile of the run that is made next
    const auto expand_next = [&](int8_t *to) BIMLP_INLINED {
      const bool last = ++next == steps;
      last ? expand_last(sign, weight.valid, to) : expand(sign, to);
      sign += kTileRows;
      if (last) next = 0;
    };
    in_memory(run);
    expand_next(bytes);
    for (int s = 0; s < weight.runs; ++s) {
      const int8_t *from = run[s] + first;
      for (int k = 0; k < steps; ++k, from += 64) {
        const int8_t *own = bytes + place;
        place ^= kTileBytes;
        expand_next(bytes + place);
        in_memory(own);
        _tile_loadd(7, own, 64);
        if (M > 1) {
          _tile_loadd(4, from, step);
          _tile_dpbssd(0, 4, 7);
        }
        if (M > 2) {
          _tile_loadd(5, from + kTileRows * step, step);
          _tile_dpbssd(1, 5, 7);
        }
        if (M > 3) {
          _tile_loadd(4, from + 2 * kTileRows * step, step);
          _tile_dpbssd(2, 4, 7);
        }
        _tile_loadd(6, from + (M - 1) * kTileRows * step, step);
        _tile_dpbssd(3, 6, 7);
      }
    }
    if (M > 1) _tile_stored(0, sums, 64);
    if (M > 2) _tile_stored(1, sums + kTileSums, 64);
    if (M > 3) _tile_stored(2, sums + 2 * kTileSums, 64);
    _tile_stored(3, sums + (M - 1) * kTileSums, 64);
  }

  // Sums of an output block and M tiles of positions, for weights of three digits and inputs of so many. Products of
  // two small digits are left out: they are less than the rounding of a float32.
  template <int M, int kInputDigits>
  void multiply(const DigitTiles &weight, int block, const int8_t *inputs, int32_t *sums) const {
    const int steps = weight.steps;
    const size_t row = static_cast<size_t>(steps) * kTileInputs, digit = row * kDigitPositions;
    in_memory(inputs);
    const int8_t *own = weight.digit + static_cast<size_t>(block) * steps * kDigits * kTileBytes;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    if (M > 1) _tile_zero(3);
    if (M > 1) _tile_zero(4);
    if (M > 1) _tile_zero(5);
    for (int k = 0; k < steps; ++k, inputs += kTileInputs, own += kDigits * kTileBytes) {
      const Rows<M> x = {inputs, row};
      _tile_loadd(7, own, 64);
      x.add_to_high(0);
      if (kInputDigits > 1) x.add_to_middle(digit);
      if (kInputDigits > 2) x.add_to_low(2 * digit);
      _tile_loadd(7, own + kTileBytes, 64);
      x.add_to_middle(0);
      if (kInputDigits > 1) x.add_to_low(digit);
      _tile_loadd(7, own + 2 * kTileBytes, 64);
      x.add_to_low(0);
    }
    _tile_stored(0, sums, 64);
    _tile_stored(1, sums + kDigitSums, 64);
    _tile_stored(2, sums + 2 * kDigitSums, 64);
    if (M == 1) return;
    _tile_stored(3, sums + kTileSums, 64);
    _tile_stored(4, sums + kTileSums + kDigitSums, 64);
    _tile_stored(5, sums + kTileSums + 2 * kDigitSums, 64);
  }

 private:
  // Keeps stores before it: to the compiler, loads of tiles and of their shapes do not read memory.
  static BIMLP_INLINE void in_memory(const void *p) { asm volatile("" : : "r"(p) : "memory"); }

  // Inputs of M tiles of positions. add_to_..: their products with tile 7 to the sums of 2^16, of 2^8 or of 1; `at`:
  // bytes from the first digit on.
  template <int M>
  struct Rows {
    const int8_t *first;
    size_t row;

    BIMLP_INLINE void add_to_high(size_t at) const {
      _tile_loadd(6, first + at, row);
      _tile_dpbssd(0, 6, 7);
      if (M == 1) return;
      _tile_loadd(6, first + at + kTileRows * row, row);
      _tile_dpbssd(3, 6, 7);
    }
    BIMLP_INLINE void add_to_middle(size_t at) const {
      _tile_loadd(6, first + at, row);
      _tile_dpbssd(1, 6, 7);
      if (M == 1) return;
      _tile_loadd(6, first + at + kTileRows * row, row);
      _tile_dpbssd(4, 6, 7);
    }
    BIMLP_INLINE void add_to_low(size_t at) const {
      _tile_loadd(6, first + at, row);
      _tile_dpbssd(2, 6, 7);
      if (M == 1) return;
      _tile_loadd(6, first + at + kTileRows * row, row);
      _tile_dpbssd(5, 6, 7);
    }
  };
  static BIMLP_INLINE __m512i signs(uint64_t bits) {
    return _mm512_mask_blend_epi8(_cvtu64_mask64(bits), _mm512_set1_epi8(-1), _mm512_set1_epi8(1));
  }
  // Bytes of a tile of weights.
  static BIMLP_INLINE void expand(const uint64_t *sign, int8_t *to) {
    for (int row = 0; row < kTileRows; ++row) _mm512_store_si512(to + 64 * row, signs(sign[row]));
  }
  // The same for the last tile of a run, with zeros in padding.
  static BIMLP_INLINE void expand_last(const uint64_t *sign, const uint32_t *valid, int8_t *to) {
    for (int row = 0; row < kTileRows; ++row) {
      const __m512i mask = _mm512_set1_epi32(static_cast<int>(valid[row]));
      _mm512_store_si512(to + 64 * row, _mm512_and_si512(signs(sign[row]), mask));
    }
  }

  int rows_ = 0;
};

// Numbers of the bytes of each digit, from that of 2^16 on, of the 32-bit numbers in two registers: 32 bytes, twice.
struct DigitBytes {
  alignas(64) uint8_t of[kDigits][64] = {};
  constexpr DigitBytes() {
    for (int d = 0; d < kDigits; ++d) {
      for (int i = 0; i < 64; ++i) of[d][i] = static_cast<uint8_t>(4 * (i % 32) + kDigits - 1 - d);
    }
  }
};
constexpr DigitBytes kDigitBytes;

struct Amx : Avx512 {
  static constexpr const char *kName = "amx";
  static constexpr bool kPaired = false, kTiles = true;
  using MatrixUnit = AmxUnit;

  static I load_sums(const int32_t *p) { return _mm512_load_si512(p); }

  // Digits of a position's numbers, [digit][input], digits `digit` bytes apart: x = 2^16 d[0] + 2^8 d[1] + d[2], times
  // the scale that is returned. Behind the numbers there is room for whole blocks.
  static float split(const float *x, int length, int8_t *to, size_t digit) {
    const auto valid = [=](int k) {
      return static_cast<__mmask16>(length - k < kLanes ? (1u << (length - k)) - 1 : 0xffffu);
    };
    F largest = set(0.0f);
    for (int k = 0; k < length; k += kLanes)
      largest = max(largest, _mm512_abs_ps(_mm512_maskz_loadu_ps(valid(k), x + k)));
    largest = max(largest, _mm512_maskz_shuffle_f32x4(kAll, largest, largest, 0x4e));
    largest = max(largest, _mm512_maskz_shuffle_f32x4(kAll, largest, largest, 0xb1));
    largest = max(largest, _mm512_maskz_permute_ps(kAll, largest, 0x4e));
    const float most = _mm512_cvtss_f32(max(largest, _mm512_maskz_permute_ps(kAll, largest, 0xb1)));
    const F scale = set(most > kLeastByDigits ? kMostByDigits / most : 0.0f);
    // bytes of n + 128 (2^16 + 2^8 + 1), each less 128
    const I bias = _mm512_set1_epi32(0x808080);
    const I order[kDigits] = {_mm512_load_si512(kDigitBytes.of[0]), _mm512_load_si512(kDigitBytes.of[1]),
                              _mm512_load_si512(kDigitBytes.of[2])};
    for (int k = 0; k < length; k += kTileInputs, to += kTileInputs) {
      I n[4];
      unrolled<4>([&](auto i) BIMLP_INLINED {
        const F own = _mm512_maskz_loadu_ps(k + kLanes * i < length ? valid(k + kLanes * i) : 0, x + k + kLanes * i);
        const I whole = _mm512_maskz_cvtps_epi32(kAll, mul(own, scale));
        n[i] = _mm512_xor_si512(_mm512_add_epi32(whole, bias), bias);
      });
      for (int d = 0; d < kDigits; ++d) {
        const I low = _mm512_permutex2var_epi8(n[0], order[d], n[1]),
                high = _mm512_permutex2var_epi8(n[2], order[d], n[3]);
        _mm512_storeu_si512(to + d * digit, _mm512_maskz_shuffle_i64x2(0xff, low, high, 0x44));
      }
    }
    return most / kMostByDigits;
  }

  // 16 bytes: 1 where x > threshold, else `low`.
  static void store_signs(int8_t *to, F x, F threshold, const int8_t *low) {
    const __mmask16 above = _mm512_cmp_ps_mask(x, threshold, _CMP_GT_OQ);
    store_bytes(to, _mm_mask_blend_epi8(above, load_bytes(low), _mm_set1_epi8(1)));
  }
  // 16 bytes of three levels: `low`, and 1 more for each threshold below x.
  static void store_levels(int8_t *to, F x, F first, F second, const int8_t *low) {
    const __m128i one = _mm_set1_epi8(1), least = load_bytes(low);
    const __m128i level = _mm_mask_add_epi8(least, _mm512_cmp_ps_mask(x, first, _CMP_GT_OQ), least, one);
    store_bytes(to, _mm_mask_add_epi8(level, _mm512_cmp_ps_mask(x, second, _CMP_GT_OQ), level, one));
  }

 private:
  static __m128i load_bytes(const int8_t *from) { return _mm_loadu_si128(reinterpret_cast<const __m128i *>(from)); }
  static void store_bytes(int8_t *to, __m128i bytes) { _mm_storeu_si128(reinterpret_cast<__m128i *>(to), bytes); }
};

}  // namespace
}  // namespace bimlp
