// Network in the form that the kernels read: every layer's numbers in the order of their use.
//
// Slots are the positions of a token's row. A block is kLanes slots. A map stores both halves of its C channels, each
// padded to whole blocks, since the wave's cosines become the first half of the next layer's channels, and its sines
// the second. A row of a map with C = 40:
//
//   slot       0 .. 15   16 .. 19  20 .. 31   32 .. 47   48 .. 51  52 .. 63
//   block     |    0    |          1        |     2     |          3        |
//   channel   | 0 .. 15 | 16 .. 19  padding | 20 .. 35  | 36 .. 39  padding |
//
// A plane is a map of bits with a margin of kMargin tokens of zeros, the input of a local FC. A token takes one bit per
// slot, in the same order. A plane of a map of S x S tokens:
//
//     S + 2 kMargin tokens
//   +----------------------+
//   |        zeros         |  kMargin rows
//   |       +------+       |
//   | zeros | bits | zeros |  S rows; padded_index[t] is the number of token t in the plane
//   |       +------+       |
//   |        zeros         |  kMargin rows
//   +----------------------+
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bimlp {

constexpr int kLanes = 16;          // channels per block
constexpr int kTaps = 7;            // taps of a local FC
constexpr int kMargin = 3;          // margin of a plane in tokens: kTaps / 2
constexpr int kTileNumbers = 4096;  // numbers of the rows in a tile: 16 KiB
constexpr int kRatio = 4;           // expansion of the Channel Binary MLP's hidden layer

// Tokens of a tile, which a pass handles at a time.
inline int tile_of(int slots) {
  const int tokens = kTileNumbers / slots / 8 * 8;
  return tokens < 8 ? 8 : tokens > 64 ? 64 : tokens;
}

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

// Binary FC over channels. Weights of padding add nothing.
struct BinaryFC {
  int index;               // number of the layer in the file
  int inputs;              // input slots, a multiple of 32
  int words;               // 32-bit words of a token's bits
  int blocks;              // output blocks
  const float *threshold;  // by input slot: a bit is x > threshold; infinity in padding
  const uint32_t *weight;  // blocks x words x 16
  Affine affine;
  const int32_t *shortcut;  // by output block: the block of the shortcut's row
};

// Binary local FC along one axis. Positions have a class 0 .. classes - 1, by the taps that the border cuts off.
struct LocalFC {
  int index;
  int groups;   // input channels per output channel: 1, or 2 for the wave
  bool height;  // axis: height or width
  int blocks;
  const float *threshold[2];  // by input of the group
  const uint8_t *weight;      // groups * 7 rows of bits, each repeated for every token of a row of the map
  size_t weight_stride;       // bytes
  const float *factor, *slope, *shift_out;
  const float *offset;      // classes x slots, corrected for zero padding
  const int32_t *position;  // class of a row (height) or of a column
};

// Spatial Binary MLP: wave of phase and amplitude, then a local FC.
struct SpatialMLP {
  BinaryFC phase, amplitude;
  LocalFC mix;
};

// Channel Binary MLP.
struct ChannelMLP {
  BinaryFC first, second;
};

// MBB blocks 1 and 2.
struct Block {
  const float *norm1_factor, *norm1_offset, *norm2_factor, *norm2_offset;
  std::vector<SpatialMLP> spatial1;
  std::vector<BinaryFC> channel1;
  ChannelMLP reweight;
  std::vector<int32_t> reweight_first;   // by hidden slot: the 4 slots whose mean is its shortcut, or -1
  std::vector<int32_t> reweight_second;  // by output slot: the hidden slot that is its shortcut, or -1
  BinaryFC projection;
  std::vector<LocalFC> spatial2;
  std::vector<ChannelMLP> channel2;
  std::vector<float> merge;  // weights of the branches of block 2, whose sum is 1
};

// Full-precision layer: convolution or FC.
struct FullFC {
  int runs, length;  // a token's inputs: `runs` runs of `length` numbers each
  int blocks;
  const float *weight;  // blocks x (runs * length) x 16
  Affine affine;
};

// Head: logits = weight (norm_factor * mean + norm_offset) + bias.
struct Head {
  int inputs, blocks;  // input slots, output blocks
  const float *norm_factor, *norm_offset, *weight, *bias;
};

// Stage of the network, whose maps have one size.
struct Stage {
  int channels, blocks_of_channels, size;  // size: H = W
  const int32_t *padded_index;             // by token: its number in a plane
  Gather halves;                           // shortcuts of phase and amplitude in SpatialMLP
  Gather quarters;                         // shortcuts of the hidden layer in ChannelMLP
  std::vector<Block> blocks;
};

}  // namespace bimlp
