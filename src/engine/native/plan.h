// A network as the kernels see it: every layer's numbers in the order in which they are read.
//
// Channels are kept in blocks of 16. A map's C channels lie in two halves, 0 .. C/2 - 1 and C/2 .. C - 1, each filled
// up to whole blocks with zeros: so the wave's cosines, which become the first half of the next layer's channels,
// and its sines, which become the second, start at a block each. Positions in that order are called slots.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace bimlp {

constexpr int kLanes = 16;   // channels per block
constexpr int kTaps = 7;     // of a local FC
constexpr int kMargin = 3;   // tokens of zeros around a map of bits: kTaps / 2
constexpr int kTileNumbers = 4096;  // of the rows that a pass works on at a time: 16 KiB
constexpr int kRatio = 4;    // width of the Channel Binary MLP's hidden layer over its input's

// tokens that a pass takes at a time
inline int tile_of(int slots) {
  const int tokens = kTileNumbers / slots / 8 * 8;
  return tokens < 8 ? 8 : tokens > 64 ? 64 : tokens;
}

// What follows a layer's sum s: RPReLU(factor * s + offset + shortcut), that is, with t in the brackets,
// t + shift_out where t > 0, else slope * t + shift_out. One number per slot.
struct Affine {
  const float *factor, *offset, *slope, *shift_out;
};

// Blocks gathered from a row of slots: lane l of block i is row[index[16 i + l]], or 0 for index -1. window[i] is a
// slot such that all of block i's indices lie within 64 from it, or -1.
struct Gather {
  int blocks;
  const int32_t *index, *window;
};

// A binary FC over channels. Slots beyond the channels have weights that add nothing.
struct BinaryFC {
  int index;             // of the layer in the file
  int inputs;            // slots in, a multiple of 16
  int words;             // 32-bit words of a token's bits
  int blocks;            // blocks out
  const float *threshold;  // per slot in: a bit is 1 where x > threshold; infinity beyond the channels
  const uint32_t *weight;  // blocks x words x 16
  Affine affine;
  const int32_t *shortcut;  // per block out: the block of the shortcut's row
};

// A binary local FC along one axis. Position classes: 0 .. classes - 1, by how many taps the border cuts off.
struct LocalFC {
  int index;
  int groups;            // input channels per output channel: 1, or 2 for the wave
  bool height;           // the axis
  int blocks;
  const float *threshold[2];  // per input of the group
  const uint8_t *weight; // groups * 7 rows of bits, each repeated for every token of a row of the map
  size_t weight_stride;  // bytes
  const float *factor, *slope, *shift_out;
  const float *offset;   // classes x slots: what zero padding takes away is in it
  const int32_t *position;  // class of a row (height) or of a column
};

struct SpatialMLP {
  BinaryFC phase, amplitude;
  LocalFC mix;
};

struct ChannelMLP {
  BinaryFC first, second;
};

struct Block {
  const float *norm1_factor, *norm1_offset, *norm2_factor, *norm2_offset;
  std::vector<SpatialMLP> spatial1;
  std::vector<BinaryFC> channel1;
  ChannelMLP reweight;
  std::vector<int32_t> reweight_first;   // per hidden slot the 4 slots whose mean is its shortcut, or -1
  std::vector<int32_t> reweight_second;  // per slot out the hidden slot that is its shortcut, or -1
  BinaryFC projection;
  std::vector<LocalFC> spatial2;
  std::vector<ChannelMLP> channel2;
  std::vector<float> merge;  // one weight per branch of block 2, the last one the rest to 1
};

// A full-precision layer: convolution or FC.
struct FullFC {
  int runs, length;      // a token's inputs: `runs` runs of `length` numbers each
  int blocks;
  const float *weight;   // blocks x (runs * length) x 16
  Affine affine;
};

// logits = weight (norm_factor * mean + norm_offset) + bias
struct Head {
  int inputs, blocks;    // slots in, blocks of classes
  const float *norm_factor, *norm_offset, *weight, *bias;
};

struct Stage {
  int channels, blocks_of_channels, size;  // size: H = W
  const int32_t *padded_index;  // per token, its number in a map with margins
  Gather halves;   // evens and odds of the wave: see SpatialMLP
  Gather quarters; // strides of 4: see ChannelMLP
  std::vector<Block> blocks;
};

}  // namespace bimlp
