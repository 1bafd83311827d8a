// A processor's matrix unit (Intel AMX): whether there is one, and its tiles.
//
// A tile is 16 x 16 sums over 32 terms of bfloat16; numbers of two neighbouring terms lie side by side in its right
// operand.
#pragma once
#include <cstdint>

#if defined(__AMX_BF16__) && defined(__AVX512F__) && defined(__linux__)
#define BIMLP_MATRIX_UNIT
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace bimlp {

constexpr int64_t kTile = 16;  // rows and columns of a tile of sums; pairs of terms

#ifdef BIMLP_MATRIX_UNIT

// Whether the system lets this process use the matrix unit.
inline bool has_matrix_unit() {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  static const bool granted = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return granted;
}

// Use of the matrix unit by the calling thread: eight tiles of 16 rows of 64 bytes.
class Tiles {
 public:
  Tiles() {
    struct {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t bytes[16] = {};
      uint8_t rows[16] = {};
    } shape;
    for (int tile = 0; tile < 8; ++tile) {
      shape.bytes[tile] = 64;
      shape.rows[tile] = kTile;
    }
    _tile_loadconfig(&shape);
  }
  ~Tiles() { _tile_release(); }
  Tiles(const Tiles &) = delete;
};

#else

inline bool has_matrix_unit() { return false; }

#endif

}  // namespace bimlp
