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
constexpr int kWeightBytes = 2 * kTileBytes;  // of two tiles: that in use, and the next one
constexpr int kTileInputs = 64;
constexpr int kDigits = 3;                            // of a number of full precision
constexpr float kMostByDigits = 127 * (65536 + 256);  // and rounding does not exceed what digits can say
constexpr float kLeastByDigits = 1e-30f;              // numbers up to here count as 0: their scale would overflow
constexpr int kDigitPositions = 2 * kTileRows;        // of full precision at once
constexpr int kDigitSums = kDigitPositions * kLanes;
constexpr int kSumsAtOnce =
    kPositionsAtOnce * kLanes > kDigits *kDigitSums ? kPositionsAtOnce *kLanes : kDigits *kDigitSums;

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

  // The same for weights of full precision. Inputs have `inputs` digits, put(m, count, to) those of some positions:
  // [digit][position][input]. finish(block, m, count, sums): sums of 2^16, of 2^8 and of 1, kDigitSums apart.
  template <int kInputDigits, class Put, class Finish>
  static void all(const DigitTiles &weight, int blocks, int positions, const Scratch &scratch, Put put, Finish finish) {
    typename V::MatrixUnit unit;
    unit.set_rows(0, kTileRows);  // whole tiles: there is memory for all positions
    for (int m = 0; m < positions; m += kDigitPositions) {
      const int count = positions - m < kDigitPositions ? positions - m : kDigitPositions;
      put(m, count, scratch.digits);
      by_tiles<kDigitPositions / kTileRows>(count, [&](auto tiles) BIMLP_INLINED {
        for (int block = 0; block < blocks; ++block) {
          unit.template multiply<tiles, kInputDigits>(weight, block, scratch.digits, scratch.sums);
          finish(block, m, count, scratch.sums);
        }
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
