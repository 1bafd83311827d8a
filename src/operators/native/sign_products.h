// Products of a binary convolution's gradients by the matrix unit, on one grid.
#pragma once
#include "sign_operands.h"

namespace bimlp {

constexpr int64_t kTileSize = kTile * kTile;      // sums of a tile
constexpr int64_t kColumnsAtOnce = 3;             // tiles of the weight's gradient side by side
constexpr int64_t kBackChunk = 256;               // positions of one item of the input's gradient
constexpr int64_t kLeftSize = kTile * 2 * kTile;  // numbers of a tile of the left operand

// Left tiles of the weights' signs, [tap][input channel / 16][output channel / 32], w (out, in, taps).
inline const uint16_t *sign_tiles(const float *w, int64_t in, int64_t out, int64_t taps) {
  static constexpr float kZeros[2 * kTile] = {};
  const int64_t blocks = blocks_of_tiles(in), steps = steps_of(out);
  uint16_t *tiles = Scratch::get<uint16_t>(6, taps * blocks * steps * kLeftSize);
  thread_pool().each(blocks * steps, [&](int64_t item) {
    const int64_t c = item / steps * kTile, count = std::min(kTile, in - c) * taps;
    const int64_t o = item % steps * 2 * kTile;
    uint32_t *words = Scratch::get<uint32_t>(2, count);
    pack_words(w + (o * in + c) * taps, kZeros, std::min(2 * kTile, out - o), in * taps, 0, count, words);
    for (int64_t k = 0; k < count; ++k) {
      const __m512i signs = _mm512_mask_blend_epi16(words[k], _mm512_set1_epi16(static_cast<int16_t>(kMinusOne)),
                                                    _mm512_set1_epi16(kPlusOne));
      std::memcpy(tiles + (k % taps * blocks * steps + item) * kLeftSize + k / taps * 2 * kTile, &signs, sizeof signs);
    }
  });
  return tiles;
}

// Items of sum_weight_gradient.
inline int64_t weight_items(int64_t in, int64_t out, int64_t taps) {
  return blocks_of_tiles(out) * ((blocks_of_tiles(in) * taps + kColumnsAtOnce - 1) / kColumnsAtOnce);
}

// Sets one item of the weight's gradient in sums, [out / 16][in / 16][tap][16][16], or adds it to what is there.
inline void sum_weight_gradient(const Terms &terms, const SignPairs &signs, int64_t item, bool add, float *sums) {
  const Grid &grid = terms.grid;
  const int64_t columns = blocks_of_tiles(signs.channels) * grid.taps();
  const int64_t groups = (columns + kColumnsAtOnce - 1) / kColumnsAtOnce;
  const int64_t block = item / groups, first = item % groups * kColumnsAtOnce;
  const int64_t count = std::min(kColumnsAtOnce, columns - first);
  const uint32_t *right[kColumnsAtOnce] = {};
  for (int64_t k = 0; k < count; ++k) right[k] = signs.at((first + k) / grid.taps(), (first + k) % grid.taps());
  const uint16_t *left = terms.rows + block * kTerms * kTile * terms.length;
  const int64_t term = kTile * terms.length, row = 2 * terms.length, pair = 2 * 4 * kTile;
  const Tiles unit(kTile, 0, 0);
  float *to = sums + (block * columns + first) * kTileSize;
  if (add) {
    _tile_loadd(0, to, kTile * 4);
    if (count > 1) _tile_loadd(1, to + kTileSize, kTile * 4);
    if (count > 2) _tile_loadd(2, to + 2 * kTileSize, kTile * 4);
  } else {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
  }
  for (int64_t p = 0; p < grid.size(); p += 2 * kTile) {
    _tile_loadd(3, left + p, row);
    _tile_loadd(4, left + term + p, row);
    _tile_loadd(5, left + 2 * term + p, row);
    _tile_loadd(6, right[0] + p * kTile, pair);
    _tile_dpbf16ps(0, 3, 6);
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(0, 5, 6);
    if (count < 2) continue;
    _tile_loadd(7, right[1] + p * kTile, pair);
    _tile_dpbf16ps(1, 3, 7);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(1, 5, 7);
    if (count < 3) continue;
    _tile_loadd(6, right[2] + p * kTile, pair);
    _tile_dpbf16ps(2, 3, 6);
    _tile_dpbf16ps(2, 4, 6);
    _tile_dpbf16ps(2, 5, 6);
  }
  _tile_stored(0, to, kTile * 4);
  if (count > 1) _tile_stored(1, to + kTileSize, kTile * 4);
  if (count > 2) _tile_stored(2, to + 2 * kTileSize, kTile * 4);
}

// Items of set_input_gradient.
inline int64_t input_items(const Grid &grid, int64_t in) {
  return (blocks_of_tiles(in) + 1) / 2 * grid.phases() * ((grid.size() + kBackChunk - 1) / kBackChunk);
}

// Sets one item of the input's gradient in planes, [channel][phase][room]; weights: sign_tiles. Two blocks of 16
// channels at 32 positions at once, or one at 64.
inline void set_input_gradient(const Terms &terms, const uint16_t *weights, int64_t in, int64_t item, float *planes) {
  const Grid &grid = terms.grid;
  const int64_t blocks = blocks_of_tiles(in), jobs = (blocks + 1) / 2 * grid.phases(), job = item % jobs;
  const int64_t phase = job % grid.phases(), block = job / grid.phases() * 2;
  const int64_t start = item / jobs * kBackChunk, end = std::min(grid.size(), start + kBackChunk);
  const int64_t steps = steps_of(terms.channels), deep = pairs_of_tile(terms.channels), room = grid.room();
  const int64_t line = 2 * 2 * kTile, row = 4 * room, out_row = 4 * grid.phases() * room;
  const bool two = block + 1 < blocks;
  float *to = planes + (block * kTile * grid.phases() + phase) * room + grid.margin();
  const Tiles unit(deep, 1 << 4 | 1 << 5, 1 << 6 | 1 << 7);
  // the weights of 32 output channels stay in the L1 cache for all positions
  for (int64_t step = 0; step < steps; ++step) {
    for (int64_t p = start; p < end; p += (two ? 2 : 4) * kTile) {
      float *first = to + p, *second = first + (two ? kTile * grid.phases() * room : 2 * kTile);
      if (step == 0) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
      } else {
        _tile_loadd(0, first, out_row);
        _tile_loadd(1, first + kTile, out_row);
        _tile_loadd(2, second, out_row);
        _tile_loadd(3, second + kTile, out_row);
      }
      for (int64_t t = 0; t < grid.taps(); ++t) {
        if (grid.phase(t) != phase) continue;
        const uint16_t *left = weights + ((t * blocks + block) * steps + step) * kLeftSize;
        const uint32_t *right = terms.pairs + step * kTerms * deep * room + grid.margin() + p - grid.shift(t);
        _tile_loadd(4, left, line);
        if (two) _tile_loadd(5, left + steps * kLeftSize, line);
        for (int term = 0; term < kTerms; ++term, right += deep * room) {
          _tile_loadd(6, right, row);
          _tile_dpbf16ps(0, 4, 6);
          if (two) _tile_dpbf16ps(2, 5, 6);
          _tile_loadd(7, right + kTile, row);
          _tile_dpbf16ps(1, 4, 7);
          if (two) {
            _tile_dpbf16ps(3, 5, 7);
          } else {
            _tile_loadd(6, right + 2 * kTile, row);
            _tile_dpbf16ps(2, 4, 6);
            _tile_loadd(7, right + 3 * kTile, row);
            _tile_dpbf16ps(3, 4, 7);
          }
        }
      }
      _tile_stored(0, first, out_row);
      _tile_stored(1, first + kTile, out_row);
      _tile_stored(2, second, out_row);
      _tile_stored(3, second + kTile, out_row);
    }
  }
}

}  // namespace bimlp
