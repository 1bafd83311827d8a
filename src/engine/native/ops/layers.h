// Layers of a plan: their numbers in the order of their use.
//
// Slots are the places of a position's row of numbers: its channels, and padding up to whole blocks of kLanes. A row of
// a map with C = 40:
//
//   slot       0 .. 15   16 .. 31   32 .. 39  40 .. 47
//   block     |    0    |    1     |         2        |
//   channel   | 0 .. 15 | 16 .. 31 | 32 .. 39  padding |
//
// A plane is a map of bits with a margin of kMargin positions of zeros, the input of a local layer. A position takes
// one bit per slot, in the same order. A plane of a map of H x W positions:
//
//     W + 2 kMargin positions
//   +----------------------+
//   |        zeros         |  kMargin rows
//   |       +------+       |
//   | zeros | bits | zeros |  H rows; padded_index[p] is the number of position p in the plane
//   |       +------+       |
//   |        zeros         |  kMargin rows
//   +----------------------+
#pragma once
#include <cstddef>
#include <cstdint>

namespace bimlp {

constexpr int kLanes = 16;  // channels per block
constexpr int kTaps = 7;    // taps of a local layer
constexpr int kMargin = 3;  // margin of a plane in positions: kTaps / 2

// Epilogue of a layer's sum s: RPReLU(t) with t = factor * s + offset + shortcut, that is t + shift_out if t > 0, else
// slope * t + shift_out. One number per slot.
struct Affine {
  const float *factor, *offset, *slope, *shift_out;
};

// Blocks gathered from a row of slots: lane l of block i is row[index[16 i + l]], or 0 for index -1. All indices of
// block i lie within 64 slots from window[i], or window[i] is -1.
struct Gather {
  int blocks;
  const int32_t *index, *window;
};

// Binary convolution of 1 x 1. Weights of padding add nothing.
struct DenseLayer {
  int words;               // 32-bit words of a position's bits
  int blocks;              // output blocks
  const uint32_t *weight;  // blocks x words x 16
  Affine affine;
  const int32_t *shortcut;  // by output block: the block of the shortcut's row
};

// Binary convolution of 7 x 1 or 1 x 7 with one output per group. Positions have a class 0 .. classes - 1, by the taps
// that the border cuts off.
struct LocalLayer {
  int groups;   // input channels per output channel: 1, or 2 for the wave
  bool height;  // axis: height or width
  int blocks;
  const float *threshold[2];  // by input of the group
  const uint8_t *weight;      // groups * 7 rows of bits, each repeated for every position of a row of the map
  size_t weight_stride;       // bytes
  const float *factor, *slope, *shift_out;
  const float *offset;      // classes x slots, corrected for zero padding
  const int32_t *position;  // class of a row (height) or of a column
};

// Inputs of a binary layer at tokens side by side: of token t the words run[s] + t * step .. + length - 1 for each run
// s.
struct BitRuns {
  const uint32_t *const *run;
  int runs, length;
  size_t step;
};

constexpr int kMaxWindowSide = 7;  // of a window layer's kernel

// Signs of weights for a matrix unit, by tiles of 64 inputs and one output block. A tile is 16 rows of 64 bits: bit
// 4 n + j of row r is the sign of input 4 r + j and output n. Each run of inputs begins a tile; `valid` has a byte of
// ones for each input of the run's last one that belongs to the run.
struct SignTiles {
  int runs, steps;        // runs of a position's inputs, tiles of a run
  const uint64_t *sign;   // blocks x runs x steps x 16
  const uint32_t *valid;  // 16
};

// Binary convolution of a window. Its input is a map of bits with margins on all sides, rows of `row` words. The
// outputs of each group of blocks read their own words of a position, and a matrix unit has no such layer. Weights of
// padding add nothing. Positions have a class by the taps that lie outside of the map: that of their row times that of
// their column. Without a matrix unit, which multiplies bytes, the layer counts mismatches of bits.
//
// paired: of each two words of a position, and of weights, the second is XORed with the first.
struct WindowLayer {
  int words;  // of a position's signs
  bool paired;
  int kernel[2];  // height, width
  int stride, row;
  int blocks;                     // output blocks
  int group_blocks, group_words;  // of a group; all of them without groups
  const uint32_t *weight;         // of bits: blocks x taps x words of a group x 16
  SignTiles tiles;                // of bytes: a run is a row of the kernel
  // the sum is scale * (mismatches, or products of bytes) + base, an integer that no rounding touches where the padding
  // value is one
  float scale;
  const float *base;  // row classes x column classes x slots
  int columns;        // column classes
  const int32_t *row_class, *column_class;
  Affine affine;
  const int32_t *shortcut;  // by output block: the block of the shortcut's row
};

// Weights of full precision for a matrix unit: whole numbers w = 2^16 d[0] + 2^8 d[1] + d[2] of digits from -128 to
// 127, times a scale of their output. Tiles of 64 inputs and one output block: 16 rows of 4 inputs of 16 outputs.
struct DigitTiles {
  int steps;            // tiles of a position's inputs
  const int8_t *digit;  // blocks x steps x digits x 16 x 16 x 4, or null
  const float *factor;  // of the layer's affine, times the scale
};

// Convolution with full precision. A position's inputs are `runs` rows of `taps` times `length` numbers. With groups, a
// tap's numbers are the channels that the outputs of a block read, from `first` of the block on; else a row is one tap.
//
struct FullLayer {
  int runs, taps, length;
  int channels;          // of the input: numbers from tap to tap
  const int32_t *first;  // by block, or null without groups
  int blocks;
  const float *weight;  // blocks x (runs * taps * length) x 16
  DigitTiles digits;    // of one run
  Affine affine;
};

// The same on pixels, for a matrix unit. Its map has bytes, 128 less than the pixels, with margins of zeros on all
// sides. Normalisation is in the weights and the offsets, which positions have by their class as in a window layer.
struct PixelLayer {
  int runs, length;     // of a position's inputs
  int stride, row;      // bytes of a row of the map
  int step;             // bytes from position to position
  DigitTiles digits;    // or no digit
  const float *offset;  // row classes x column classes x slots
  int columns;          // column classes
  const int32_t *row_class, *column_class;
};

}  // namespace bimlp
