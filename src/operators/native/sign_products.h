// Products of a binary convolution's gradients by the matrix unit, on one grid.
#pragma once
#include "sign_operands.h"

namespace bimlp {

constexpr int64_t kTileSize = kTile * kTile;  // sums of a tile
constexpr int64_t kColumnsAtOnce = 3;         // tiles of the weight's gradient side by side
constexpr int64_t kLine = 64;                 // bytes of a row of a tile
constexpr int64_t kBackChunk = 256;           // positions of one item of the input's gradient

// Right tiles of the weights' signs, [tap][input channel / 16][output channel / 32][16 pairs][16], w (out, in, taps).
// Up to 16 output channels are there twice.
inline const uint32_t *sign_tiles(const float *w, int64_t in, int64_t out, int64_t taps) {
  static constexpr float kZeros[2 * kTile] = {};
  const int64_t blocks = blocks_of_tiles(in), steps = steps_of(out);
  uint32_t *tiles = Scratch::get<uint32_t>(6, taps * blocks * steps * kTileSize);
  thread_pool().each(blocks * steps, [&](int64_t item) {
    const int64_t c = item / steps * kTile, count = std::min(kTile, in - c);
    const int64_t o = item % steps * 2 * kTile;
    uint32_t *words = Scratch::get<uint32_t>(2, kTile * taps);
    pack_words(w + (o * in + c) * taps, kZeros, std::min(2 * kTile, out - o), in * taps, 0, count * taps, words);
    for (int64_t t = 0; t < taps; ++t) {
      VecBits bits{};
      for (int64_t k = 0; k < count; ++k) bits[k] = words[k * taps + t];
      if (out <= kTile) bits |= bits << kTile;
      uint32_t *to = tiles + (t * blocks * steps + item) * kTileSize;
      for (int64_t pair = 0; pair < kTile; ++pair, bits >>= 1) {
        const VecBits signs = (kMinusOne << kTile | kMinusOne) ^ ((bits & 1) << 15) ^ ((bits & 1u << kTile) << 15);
        std::memcpy(to + pair * kTile, &signs, sizeof signs);
      }
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
  const int64_t term = kTile * terms.length, row = 2 * terms.length, pair = 2 * kLine;
  const Tiles unit;
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
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
  alignas(64) float part[kColumnsAtOnce * kTileSize];
  _tile_stored(0, part, kLine);
  _tile_stored(1, part + kTileSize, kLine);
  _tile_stored(2, part + 2 * kTileSize, kLine);
  float *to = sums + (block * columns + first) * kTileSize;
  for (int64_t i = 0; i < count * kTileSize; i += kLanes) {
    const Vec sum = load<Vec>(part + i);
    store(to + i, add ? load<Vec>(to + i) + sum : sum);
  }
}

// Items of set_input_gradient.
inline int64_t input_items(const Grid &grid, int64_t in) {
  return (blocks_of_tiles(in) + 1) / 2 * grid.phases() * ((grid.size() + kBackChunk - 1) / kBackChunk);
}

// Stores a tile of sums with rows and columns exchanged, rows `stride` numbers apart.
inline void store_transposed(const float *sums, float *to, int64_t stride) {
  Vec rows[kTile];
  for (int64_t r = 0; r < kTile; ++r) rows[r] = load<Vec>(sums + r * kTile);
  transpose(rows);
  for (int64_t r = 0; r < kTile; ++r) store(to + r * stride, rows[r]);
}

// Sets one item of the input's gradient in planes, [channel][phase][room]; weights: sign_tiles. Two blocks of 16
// channels at 32 positions at once, or one at 64: rows of the tiles are positions.
inline void set_input_gradient(const Terms &terms, const uint32_t *weights, int64_t in, int64_t item, float *planes) {
  const Grid &grid = terms.grid;
  const int64_t blocks = blocks_of_tiles(in), jobs = (blocks + 1) / 2 * grid.phases(), job = item % jobs;
  const int64_t phase = job % grid.phases(), block = job / grid.phases() * 2;
  const int64_t start = item / jobs * kBackChunk, end = std::min(grid.size(), start + kBackChunk);
  const int64_t steps = steps_of(terms.channels), tiles = tiles_of_terms(terms.channels), room = grid.room();
  const bool two = block + 1 < blocks;
  const int64_t width = (two ? 2 : 4) * kTile;
  float *sums = Scratch::get<float>(9, 2 * kTile * kBackChunk);
  const Tiles unit;
  // the weights of 32 output channels stay in the L1 cache for all positions
  for (int64_t step = 0; step < steps; ++step) {
    float *part = sums;
    for (int64_t p = start; p < end; p += width, part += 4 * kTileSize) {
      if (step == 0) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
      } else {
        _tile_loadd(0, part, kLine);
        _tile_loadd(1, part + kTileSize, kLine);
        _tile_loadd(2, part + 2 * kTileSize, kLine);
        _tile_loadd(3, part + 3 * kTileSize, kLine);
      }
      for (int64_t t = 0; t < grid.taps(); ++t) {
        if (grid.phase(t) != phase) continue;
        const uint32_t *right = weights + ((t * blocks + block) * steps + step) * kTileSize;
        _tile_loadd(6, right, kLine);
        if (two) _tile_loadd(7, right + steps * kTileSize, kLine);
        for (int64_t k = 0; k < tiles; ++k) {
          const uint32_t *left =
              terms.columns + ((step * tiles + k) * room + grid.margin() + p - grid.shift(t)) * kTile;
          _tile_loadd(4, left, kLine);
          _tile_dpbf16ps(0, 4, 6);
          if (two) _tile_dpbf16ps(2, 4, 7);
          _tile_loadd(5, left + kTileSize, kLine);
          _tile_dpbf16ps(1, 5, 6);
          if (two) {
            _tile_dpbf16ps(3, 5, 7);
          } else {
            _tile_loadd(4, left + 2 * kTileSize, kLine);
            _tile_dpbf16ps(2, 4, 6);
            _tile_loadd(5, left + 3 * kTileSize, kLine);
            _tile_dpbf16ps(3, 5, 6);
          }
        }
      }
      _tile_stored(0, part, kLine);
      _tile_stored(1, part + kTileSize, kLine);
      _tile_stored(2, part + 2 * kTileSize, kLine);
      _tile_stored(3, part + 3 * kTileSize, kLine);
    }
  }
  for (int64_t p = start; p < end; p += width) {
    for (int64_t k = 0; k < 4; ++k, sums += kTileSize) {
      const int64_t c = (block + (two ? k / 2 : 0)) * kTile, position = p + (two ? k % 2 : k) * kTile;
      float *to = planes + (c * grid.phases() + phase) * room + grid.margin() + position;
      store_transposed(sums, to, grid.phases() * room);
    }
  }
}

}  // namespace bimlp
