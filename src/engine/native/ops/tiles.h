// Products by a matrix unit: all outputs of a layer for positions side by side.
#pragma once
#include "../../../native/inline.h"
#include "instruction.h"

namespace bimlp {

constexpr int kTileRows = 16;                  // positions of a tile of bytes or sums
constexpr int kTileBytes = 64 * kTileRows;     // of a tile of weights
constexpr int kTileSums = kLanes * kTileRows;  // of a tile of sums
constexpr int kTilesAtOnce = 4;                // of positions
constexpr int kPositionsAtOnce = kTilesAtOnce * kTileRows;
constexpr int kSumsAtOnce = kPositionsAtOnce * kLanes;
constexpr int kFloatPositions = 2 * kTileRows;  // of full precision at once
constexpr int kWeightBytes = 2 * kTileBytes;    // of two tiles: that in use, and the next one
constexpr int kTileInputs = 32;                 // of bfloat16 numbers
constexpr int kParts = 3;                       // bfloat16 numbers whose sum is a float32

template <class V>
struct TileProducts {
  // Bytes of the positions: run s of position m begins at run[s] + m * step. Of a run's last tile, those behind the run
  // count for nothing.
  struct Bytes {
    const int8_t *const *run;
    size_t step;
  };

  // finish(block, m, count, sums) for all output blocks and positions: `count` rows of kLanes sums from position m on.
  template <class Finish>
  static void all(const SignTiles &weight, int blocks, const Bytes &x, int positions, const Scratch &scratch,
                  Finish finish) {
    typename V::MatrixUnit unit;
    for (int m = 0; m < positions; m += kPositionsAtOnce) {
      const int count = positions - m < kPositionsAtOnce ? positions - m : kPositionsAtOnce;
      by_tiles<kTilesAtOnce>(count, [&](auto tiles) BIMLP_INLINED {
        unit.set_rows(V::MatrixUnit::kLastOfSigns, count - (tiles - 1) * kTileRows);
        for (int block = 0; block < blocks; ++block) {
          unit.template multiply<tiles>(weight, block, x.run, m * x.step, x.step, scratch.tiles, scratch.sums);
          finish(block, m, count, scratch.sums);
        }
      });
    }
  }

  // The same for numbers and weights of full precision, of one run. Position m begins at x + m * step.
  template <class Finish>
  static void all(const FullLayer &weight, const float *x, size_t step, int positions, const Scratch &scratch,
                  Finish finish) {
    typename V::MatrixUnit unit;
    auto *sums = reinterpret_cast<float *>(scratch.sums);
    for (int m = 0; m < positions; m += kFloatPositions) {
      const int count = positions - m < kFloatPositions ? positions - m : kFloatPositions;
      V::split(weight, x + m * step, step, count, scratch.parts);
      by_tiles<kFloatPositions / kTileRows>(count, [&](auto tiles) BIMLP_INLINED {
        unit.set_rows(V::MatrixUnit::kLastOfFloats, count - (tiles - 1) * kTileRows);
        int block = 0;
        for (; block + 2 <= weight.blocks; block += 2) {
          unit.template multiply<tiles, 2>(weight, block, scratch.parts, sums);
          finish(block, m, count, sums);
          finish(block + 1, m, count, sums + kFloatPositions * kLanes);
        }
        if (block == weight.blocks) return;
        unit.template multiply<tiles, 1>(weight, block, scratch.parts, sums);
        finish(block, m, count, sums);
      });
    }
  }

 private:
  // run(tiles) for M tiles or fewer, as many as `count` positions need.
  template <int M, class Run>
  static void by_tiles(int count, const Run &run) {
    if constexpr (M > 1) {
      if (count <= (M - 1) * kTileRows) return by_tiles<M - 1>(count, run);
    }
    run(std::integral_constant<int, M>());
  }
};

}  // namespace bimlp
