// Operands in bfloat16 of a binary convolution's gradients, for the matrix unit.
//
// Signs are bfloat16 numbers. A gradient, float32, is the sum of three bfloat16 numbers of 8 significant bits each,
// exactly: its terms. So three products of bfloat16 with float32 sums are one of float32.
#pragma once
#include "binary_matmul.h"
#include "grid.h"
#include "matrix_unit.h"
#include "pool.h"
#include "scratch.h"

namespace bimlp {

constexpr int kTerms = 3;
constexpr uint32_t kPlusOne = 0x3f80, kMinusOne = 0xbf80;  // bfloat16

typedef uint32_t VecBits __attribute__((vector_size(sizeof(Vec))));
typedef uint16_t Halves __attribute__((vector_size(sizeof(Vec) / 2)));

inline int64_t blocks_of_tiles(int64_t channels) { return (channels + kTile - 1) / kTile; }

// Tiles of 16 pairs of output channels.
inline int64_t steps_of(int64_t channels) { return (channels + 2 * kTile - 1) / (2 * kTile); }
// Pairs of output channels in a tile.
inline int64_t pairs_of_tile(int64_t channels) { return channels > kTile ? kTile : kTile / 2; }

// Next term of floats, which is taken off them.
inline VecBits take_term(Vec &rest) {
  const VecBits top = reinterpret_cast<VecBits>(rest) & 0xffff0000u;
  rest -= reinterpret_cast<Vec>(top);
  return top >> 16;
}

// Signs of 16 channels in bfloat16, from a word with a bit for each, and above them a bit that is 0 where all are 0.
inline VecBits signs_of(uint32_t word) {
  VecBits channel;
  for (int c = 0; c < kLanes; ++c) channel[c] = 1u << c;
  const VecBits bits = word - VecBits{}, present = (0u - (word >> kTile)) - VecBits{};
  return ((bits & channel) != 0 ? kPlusOne - VecBits{} : kMinusOne - VecBits{}) & present;
}

// Terms of the gradients on a grid, by rows and by pairs of channels.
struct Terms {
  Terms(const Grid &grid, int64_t channels)
      : grid(grid),
        channels(channels),
        length((grid.size() / (2 * kTile) | 1) * 2 * kTile),
        rows(Scratch::get<uint16_t>(0, blocks_of_tiles(channels) * kTerms * kTile * length)),
        pairs(Scratch::get<uint32_t>(1, steps_of(channels) * kTerms * pairs_of_tile(channels) * grid.room())) {}

  // Count of the pairs of channels, with those that only fill a tile.
  int64_t items() const { return steps_of(channels) * pairs_of_tile(channels); }

  // Fills in channels 2 pair and 2 pair + 1; fill(channel, row) gives a row of the map.
  template <class F>
  void set(int64_t pair, F fill) const {
    const int64_t room = grid.room(), deep = pairs_of_tile(channels), o = 2 * pair;
    float *row = Scratch::get<float>(2, grid.size()), *planes = Scratch::get<float>(3, 2 * room);
    for (int64_t k = 0; k < 2; ++k) {
      if (o + k < channels) {
        fill(o + k, row);
        grid.spread_output(row, planes + k * room);
      } else {
        std::fill(planes + k * room, planes + (k + 1) * room, 0.0f);
      }
    }
    uint16_t *low_row = rows + (o / kTile * kTerms * kTile + o % kTile) * length - grid.margin();
    uint32_t *to = pairs + (pair / deep * kTerms * deep + pair % deep) * room;
    const bool has_rows = o < blocks_of_tiles(channels) * kTile;
    for (int64_t i = 0; i < room; i += kLanes) {
      Vec low = load<Vec>(planes + i), high = load<Vec>(planes + room + i);
      const bool inside = has_rows && i >= grid.margin() && i < grid.margin() + grid.size();
      for (int term = 0; term < kTerms; ++term) {
        const VecBits a = take_term(low), b = take_term(high), both = a | b << 16;
        std::memcpy(to + term * deep * room + i, &both, sizeof both);
        if (!inside) continue;
        const Halves first = __builtin_convertvector(a, Halves), second = __builtin_convertvector(b, Halves);
        uint16_t *at = low_row + term * kTile * length + i;
        std::memcpy(at, &first, sizeof first);
        std::memcpy(at + length, &second, sizeof second);
      }
    }
  }

  const Grid &grid;
  int64_t channels, length;
  uint16_t *rows;   // [channel / 16][term][16][length]
  uint32_t *pairs;  // [step][term][pairs of a tile][room]
};

// Signs of the input on a grid, 0 around the images, by pairs of positions: the number p is that of p and p + 1.
struct SignPairs {
  SignPairs(const Grid &grid, int64_t channels)
      : grid(grid),
        channels(channels),
        size(grid.phases() * grid.room() * kTile),
        pairs(Scratch::get<uint32_t>(5, blocks_of_tiles(channels) * size)) {}

  // Pairs of a block of channels as a tap sees them, from position 0.
  const uint32_t *at(int64_t block, int64_t tap) const {
    return pairs + block * size + (grid.phase(tap) * grid.room() + grid.margin() + grid.shift(tap)) * kTile;
  }

  // Fills in a block of 16 channels of sign(x + b), from the `count` numbers of the grid in rows `stride` apart.
  void set(int64_t block, const float *x, const float *b, int64_t count, int64_t stride) const {
    const int64_t first = block * kTile, last = std::min(channels, first + kTile), room = grid.phases() * grid.room();
    uint32_t *words = Scratch::get<uint32_t>(2, count), *planes = Scratch::get<uint32_t>(3, room + 1);
    pack_words(x + first * stride, b + first, last - first, stride, 0, count, words);
    for (int64_t i = 0; i < count; ++i) words[i] |= 1u << kTile;
    grid.spread_input(words, planes);
    planes[room] = 0;
    uint32_t *to = pairs + block * size;
    VecBits signs = signs_of(planes[0]);
    for (int64_t p = 0; p < room; ++p) {
      const VecBits next = signs_of(planes[p + 1]), both = signs | next << 16;
      std::memcpy(to + p * kTile, &both, sizeof both);
      signs = next;
    }
  }

  const Grid &grid;
  int64_t channels, size;
  uint32_t *pairs;  // [channel / 16][phase][room][16]
};

}  // namespace bimlp
