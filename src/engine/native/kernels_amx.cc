// AMX: binary FCs as products of bytes that are -1 and +1, in tiles. Weights and activations stay bits in memory; a
// tile's bytes are made of them when it is needed. All else is AVX-512's.
#include "kernels.h"
#if defined(__AMX_INT8__) && defined(__AVX512F__)
#include "lanes_avx512.h"
#include "passes.h"

namespace bimlp {
namespace {

constexpr int kRows = 16;        // of a tile: tokens of A and C, fours of inputs of B
constexpr int kColumns = 64;     // inputs of a tile
constexpr int kTokenTiles = 4;   // that share a tile of weights

// Tile registers 0 to 7 with 16 rows of 64 bytes.
struct alignas(64) TileConfig {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {kRows, kRows, kRows, kRows, kRows, kRows, kRows, kRows};
};
constexpr TileConfig kTiles;

// The tile registers, for as long as it lives.
struct TileSession {
  TileSession() { _tile_loadconfig(&kTiles); }
  ~TileSession() { _tile_release(); }
  TileSession(const TileSession &) = delete;
};

// GCC does not know that a tile is loaded from memory: what was written before must be there.
inline void written() { __asm__ volatile("" ::: "memory"); }

// Weights: `used` per 64 inputs, then per block out and 64 inputs 16 words, whose bit 4 n + i is that of output n and
// input 4 row + i.
int chunks_of(int words) { return (words + 1) / 2; }

size_t weight_bytes(int blocks, int words) { return sizeof(uint64_t) * chunks_of(words) * (1 + static_cast<size_t>(blocks) * kRows); }

uint64_t pair(const uint32_t *words, int chunk, int count) {
  const uint64_t high = 2 * chunk + 1 < count ? words[2 * chunk + 1] : 0;
  return words[2 * chunk] | high << 32;
}

void arrange(const uint32_t *rows, const uint32_t *used, int blocks, int words, void *out) {
  auto *to = static_cast<uint64_t *>(out);
  for (int chunk = 0; chunk < chunks_of(words); ++chunk) *to++ = pair(used, chunk, words);
  for (int b = 0; b < blocks; ++b) {
    for (int chunk = 0; chunk < chunks_of(words); ++chunk, to += kRows) {
      for (int n = 0; n < kLanes; ++n) {
        const uint64_t bits = pair(rows + static_cast<size_t>(kLanes * b + n) * words, chunk, words);
        for (int r = 0; r < kRows; ++r) to[r] |= (bits >> 4 * r & 15) << 4 * n;
      }
    }
  }
}

struct Amx : Avx512Lanes {
  static constexpr const char *kName = "amx";
  static constexpr int kTile = kRows * kTokenTiles;
  using Session = TileSession;

  // tokens x chunks of 64 bytes: -1 and +1, 0 where no channel is
  static void widen(const uint32_t *bits, int tokens, int words, const uint64_t *used, int8_t *wide) {
    const int chunks = chunks_of(words);
    for (int chunk = 0; chunk < chunks; ++chunk) {
      const I plus = _mm512_maskz_set1_epi8(used[chunk], 1), minus = _mm512_maskz_set1_epi8(used[chunk], -1);
      for (int t = 0; t < tokens; ++t) {
        const I bytes = _mm512_mask_blend_epi8(pair(bits + t * words, chunk, words), minus, plus);
        _mm512_store_si512(wide + (t * chunks + chunk) * kColumns, bytes);
      }
    }
  }

  static void widen(const uint64_t *weight, int8_t *tile) {
    const I plus = _mm512_set1_epi8(1), minus = _mm512_set1_epi8(-1);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) _mm512_store_si512(tile + r * kColumns, _mm512_mask_blend_epi8(weight[r], minus, plus));
  }

  template <class Each>
  static void sums(const BinaryFC &layer, const uint32_t *bits, int tokens, const Scratch &scratch, Each &each) {
    const int chunks = chunks_of(layer.words), stride = chunks * kColumns, tiles = (tokens + kRows - 1) / kRows;
    const auto *used = static_cast<const uint64_t *>(layer.weight), *weight = used + chunks;
    widen(bits, tokens, layer.words, used, scratch.wide);
    alignas(64) int8_t tile[2][kRows * kColumns];
    alignas(64) int32_t sum[kTile * kLanes];
    const int8_t *a = scratch.wide;
    for (int block = 0; block < layer.blocks; ++block) {
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
      for (int chunk = 0; chunk < chunks; ++chunk, weight += kRows) {
        int8_t *b = tile[chunk % 2];
        widen(weight, b);
        written();
        _tile_loadd(4, b, kColumns);
        const int8_t *from = a + chunk * kColumns;
        _tile_loadd(5, from, stride);
        _tile_dpbssd(0, 5, 4);
        if (tiles > 1) {
          _tile_loadd(6, from + kRows * stride, stride);
          _tile_dpbssd(1, 6, 4);
        }
        if (tiles > 2) {
          _tile_loadd(7, from + 2 * kRows * stride, stride);
          _tile_dpbssd(2, 7, 4);
        }
        if (tiles > 3) {
          _tile_loadd(5, from + 3 * kRows * stride, stride);
          _tile_dpbssd(3, 5, 4);
        }
      }
      _tile_stored(0, sum, 64);
      if (tiles > 1) _tile_stored(1, sum + 256, 64);
      if (tiles > 2) _tile_stored(2, sum + 512, 64);
      if (tiles > 3) _tile_stored(3, sum + 768, 64);
      each(block, [&](auto f) {
        for (int t = 0; t < tokens; ++t) f(t, _mm512_load_si512(sum + kLanes * t));
      });
    }
  }
};

}  // namespace

const Kernels *amx_kernels() {
  static const Kernels table = [] {
    Kernels t = pass_kernels<Amx>();
    t.weight_bytes = weight_bytes;
    t.arrange = arrange;
    return t;
  }();
  return &table;
}

}  // namespace bimlp
#else
namespace bimlp {
const Kernels *amx_kernels() { return nullptr; }
}  // namespace bimlp
#endif
