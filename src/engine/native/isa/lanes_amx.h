// Lanes of AVX-512 with a matrix unit (Intel AMX): products of bytes and signs, and of floats in parts.
#pragma once
#include "../ops/tiles.h"
#include "lanes_avx512.h"

namespace bimlp {
namespace {

// Use of the matrix unit by the calling thread. Tiles of the last positions have fewer rows.
class AmxUnit {
 public:
  // Tiles of the last positions, as bits. Signs: sums in tiles 0 to 3, bytes in 4 to 6, weights in 7. Floats: sums in
  // tiles 0 to 3, parts of the inputs in 4 and 5, of the weights in 6 and 7.
  static constexpr unsigned kLastOfSigns = 1u << 3 | 1u << 6, kLastOfFloats = 1u << 2 | 1u << 3 | 1u << 5;

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
    expand_next(bytes);
    for (int s = 0; s < weight.runs; ++s) {
      const int8_t *from = run[s] + first;
      for (int k = 0; k < steps; ++k, from += 64) {
        const int8_t *own = bytes + place;
        place ^= kTileBytes;
        expand_next(bytes + place);
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

  // Sums of N output blocks and M tiles of positions, [block][position]. parts: of the inputs, [part][position][input].
  // Products of two small parts are left out.
  template <int M, int N>
  void multiply(const FullLayer &weight, int block, const uint16_t *parts, float *sums) const {
    if (M > 1) _tile_zero(0);
    if (M > 1 && N > 1) _tile_zero(1);
    _tile_zero(2);
    if (N > 1) _tile_zero(3);
    constexpr size_t kTile = kTileRows * kTileInputs;
    const size_t inputs = static_cast<size_t>(weight.steps) * kTileInputs, rows = inputs * sizeof(uint16_t);
    const size_t size = static_cast<size_t>(weight.steps) * kParts * kTile;  // of a block's weights
    const uint16_t *own = weight.part + block * size;
    for (int k = 0; k < weight.steps; ++k, parts += kTileInputs, own += kParts * kTile) {
      for (int q = 0; q < kParts; ++q) {
        const uint16_t *from = parts + q * kFloatPositions * inputs;
        if (M > 1) _tile_loadd(4, from, rows);
        _tile_loadd(5, from + (M - 1) * kTileRows * inputs, rows);
        for (int p = 0; p + q < kParts; ++p) {
          _tile_loadd(6, own + p * kTile, 64);
          if (M > 1) _tile_dpbf16ps(0, 4, 6);
          _tile_dpbf16ps(2, 5, 6);
          if (N > 1) {
            _tile_loadd(7, own + size + p * kTile, 64);
            if (M > 1) _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(3, 5, 7);
          }
        }
      }
    }
    float *last = sums + (M - 1) * kTileSums;
    if (M > 1) _tile_stored(0, sums, 64);
    _tile_stored(2, last, 64);
    if (M > 1 && N > 1) _tile_stored(1, sums + kFloatPositions * kLanes, 64);
    if (N > 1) _tile_stored(3, last + kFloatPositions * kLanes, 64);
  }

 private:
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

// Numbers of the upper halves of two registers' floats, among their halves.
alignas(64) constexpr uint16_t kUpperHalves[kTileInputs] = {1,  3,  5,  7,  9,  11, 13, 15, 17, 19, 21,
                                                            23, 25, 27, 29, 31, 33, 35, 37, 39, 41, 43,
                                                            45, 47, 49, 51, 53, 55, 57, 59, 61, 63};

struct Amx : Avx512 {
  static constexpr const char *kName = "amx";
  static constexpr bool kPaired = false, kTiles = true;
  using MatrixUnit = AmxUnit;

  static I load_sums(const int32_t *p) { return _mm512_load_si512(p); }

  // Parts of the inputs of `count` positions, [part][position][input], whole tiles of each position, so that no row of
  // a tile crosses a line of the cache. Position t begins at x + t * step.
  static void split(const FullLayer &layer, const float *x, size_t step, int count, uint16_t *to) {
    const int inputs = layer.steps * kTileInputs, part = kFloatPositions * inputs;
    const I upper = _mm512_load_si512(kUpperHalves), top = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
    for (int k = 0; k < inputs; k += kTileInputs) {
      const uint32_t valid = layer.length - k < kTileInputs ? (1u << (layer.length - k)) - 1 : ~0u;
      uint16_t *own = to + k;
      const float *from = x + k;
      for (int t = 0; t < count; ++t, own += inputs, from += step) {
        F a = _mm512_maskz_loadu_ps(static_cast<__mmask16>(valid), from);
        F b = _mm512_maskz_loadu_ps(static_cast<__mmask16>(valid >> kLanes), from + kLanes);
        for (int p = 0; p < kParts; ++p) {
          const I first = _mm512_castps_si512(a), second = _mm512_castps_si512(b);
          _mm512_store_si512(own + p * part, _mm512_permutex2var_epi16(first, upper, second));
          a = sub(a, _mm512_castsi512_ps(_mm512_and_si512(first, top)));
          b = sub(b, _mm512_castsi512_ps(_mm512_and_si512(second, top)));
        }
      }
    }
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
