// Operands in bfloat16 of a binary convolution's gradients, for the matrix unit.
//
// Signs are bfloat16 numbers. A gradient, float32, is the sum of three bfloat16 numbers of 8 significant bits each,
// exactly: its terms. So three products of bfloat16 with float32 sums are one of float32.
#pragma once
#include <array>

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

// Tiles of 32 output channels.
inline int64_t steps_of(int64_t channels) { return (channels + 2 * kTile - 1) / (2 * kTile); }
// Tiles of the terms of these channels. Up to 16 channels fill half a tile, and two terms share one; the fourth is 0.
inline int64_t tiles_of_terms(int64_t channels) { return channels > kTile ? kTerms : 2; }

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

// One step of a transposition: exchanges the numbers whose row and column differ in the bit kStep.
template <int kStep>
inline void exchange(Vec (&rows)[kTile]) {
  static constexpr auto order = [] {
    std::array<std::array<int32_t, kTile>, 2> order{};
    for (int i = 0; i < kTile; ++i) {
      order[0][i] = i & kStep ? kTile + (i ^ kStep) : i;
      order[1][i] = i & kStep ? kTile + i : i ^ kStep;
    }
    return order;
  }();
  VecInt low, high;
  std::memcpy(&low, order[0].data(), sizeof low);
  std::memcpy(&high, order[1].data(), sizeof high);
  for (int i = 0; i < kTile; ++i) {
    if (i & kStep) continue;
    const Vec a = rows[i], b = rows[i + kStep];
    rows[i] = __builtin_shuffle(a, b, low);
    rows[i + kStep] = __builtin_shuffle(a, b, high);
  }
}

// Transposes a 16 x 16 matrix.
inline void transpose(Vec (&rows)[kTile]) {
  exchange<1>(rows);
  exchange<2>(rows);
  exchange<4>(rows);
  exchange<8>(rows);
}

// Terms of the gradients on a grid, by rows, and by columns with the zeros around the images.
struct Terms {
  Terms(const Grid &grid, int64_t channels)
      : grid(grid),
        channels(channels),
        length((grid.size() / (2 * kTile) | 1) * 2 * kTile),
        rows(Scratch::get<uint16_t>(0, blocks_of_tiles(channels) * kTerms * kTile * length)),
        columns(Scratch::get<uint32_t>(1, steps_of(channels) * tiles_of_terms(channels) * grid.room() * kTile)) {}

  // Fills in a step of 32 channels; fill(channel, row) gives a row of the map.
  template <class F>
  void set(int64_t step, F fill) const {
    const int64_t room = grid.room(), first = step * 2 * kTile;
    float *row = Scratch::get<float>(2, grid.size()), *planes = Scratch::get<float>(3, 2 * kTile * room);
    for (int64_t c = 0; c < (channels > kTile ? 2 : 1) * kTile; ++c) {
      float *plane = planes + c * room;
      if (first + c >= channels) {
        std::fill(plane, plane + room, 0.0f);
        continue;
      }
      fill(first + c, row);
      grid.spread_output(row, plane);
      set_row(first + c, plane + grid.margin());
    }
    for (int64_t i = 0; i < room; i += kTile) {
      if (channels > kTile) {
        set_columns<false>(step, planes + i, i);
      } else {
        set_columns<true>(step, planes + i, i);
      }
    }
  }

  const Grid &grid;
  int64_t channels, length;
  uint16_t *rows;     // [channel / 16][term][16][length]
  uint32_t *columns;  // [step][tile][room][16], pairs of channels k and 16 + k, or of two terms of channel k

 private:
  void set_row(int64_t c, const float *from) const {
    uint16_t *to = rows + (c / kTile * kTerms * kTile + c % kTile) * length;
    for (int64_t i = 0; i < grid.size(); i += kLanes) {
      Vec rest = load<Vec>(from + i);
      for (int term = 0; term < kTerms; ++term) {
        const Halves bits = __builtin_convertvector(take_term(rest), Halves);
        std::memcpy(to + term * kTile * length + i, &bits, sizeof bits);
      }
    }
  }

  template <bool kTwoTerms>
  void set_columns(int64_t step, const float *planes, int64_t i) const {
    const int64_t room = grid.room(), tiles = tiles_of_terms(channels);
    Vec low[kTile], high[kTile];
    for (int64_t c = 0; c < kTile; ++c) low[c] = load<Vec>(planes + c * room);
    transpose(low);
    if (!kTwoTerms) {
      for (int64_t c = 0; c < kTile; ++c) high[c] = load<Vec>(planes + (kTile + c) * room);
      transpose(high);
    }
    for (int64_t tile = 0; tile < tiles; ++tile) {
      uint32_t *to = columns + ((step * tiles + tile) * room + i) * kTile;
      for (int64_t k = 0; k < kTile; ++k) {
        const VecBits first = take_term(low[k]), second = take_term(kTwoTerms ? low[k] : high[k]),
                      both = first | second << 16;
        std::memcpy(to + k * kTile, &both, sizeof both);
      }
    }
  }
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
