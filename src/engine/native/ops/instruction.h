// Instructions of a plan: fused operations on some positions of a map, over the lanes of an instruction set.
//
// Sources of several instruction sets include this file: it has no functions that are not templates over the lanes.
#pragma once
#include "../run/tracer.h"
#include "layers.h"

namespace bimlp {

// Scratch memory of a thread for instructions on rows.
struct Scratch {
  float *column;                // rows of a window of a convolution; maxima of pools
  uint8_t *slices[4], *counts;  // mismatches in a row of a local layer: bit slices, and bytes
  int8_t *tiles;                // weights of some output blocks
  int32_t *sums;                // of some tiles
  int8_t *digits;               // of the inputs of some positions
  float *scales;                // of these positions
};

constexpr int kMaxTerms = 6;
constexpr int kMaxPools = 6;

enum class Where : uint8_t { kMap, kVector, kTile, kConstant };

// Rows of numbers: of a map or a vector in the arena, of the tile's scratch memory, or a constant vector.
struct Operand {
  Where where = Where::kConstant;
  int32_t stride = 0;  // numbers from position to position; 0 for vectors
  union {
    const float *constant = nullptr;
    size_t place;  // in numbers, in the arena or the tile's memory
  };

  static Operand at(Where where, int stride, size_t place) {
    Operand o;
    o.where = where;
    o.stride = stride;
    o.place = place;
    return o;
  }
};

// Positions that an instruction handles, and memory.
struct Context {
  float *arena;
  float *tile;             // scratch memory of a thread
  uint8_t *const *planes;  // maps of bits with margins
  const Scratch *scratch;
  int first, count;      // positions
  int y, width;          // row of `first`, where the instruction handles a row
  const int8_t *pixels;  // the image's, or null where it is given in numbers
};

// Terms factor * scale * value, and an offset. A softmax has its results here. Factors and scales are vectors; null or
// absent for 1.
struct Terms {
  int count = 0;
  Operand value[kMaxTerms];
  const float *factor[kMaxTerms] = {};
  bool scaled[kMaxTerms] = {};
  Operand scale[kMaxTerms];
  const float *offset = nullptr;
};

// Destination of a layer's values v: out = v, v + a, w v + o, w v + a, or w v + a + b.
enum class SinkKind { kStore, kAdd, kScale, kScaleAdd, kScaleAddTwo };
struct Sink {
  SinkKind kind = SinkKind::kStore;
  Operand out, a, b;
  const float *weight = nullptr, *offset = nullptr;
};

// Windows of pools with one stride at each output: of pool w from begin[w * outputs + i] to end[..] - 1. The windows of
// a pool contain those of the pool before.
struct Windows {
  const int32_t *begin, *end;
};

// Rows of a map of signs with margins, for a window layer: words of a position, the first of them that an instruction
// writes, and how many; positions of the map; those of the margins above and below it, before and behind a row, and
// what they hold; whether words are paired (WindowLayer).
struct RowsOfBits {
  int position, at, words, positions, above, below, before, behind;
  const uint32_t *outside;
  bool paired;
};

struct Instruction {
  void (*run)(const Instruction &, const Context &) = nullptr;
  OpKind kind = OpKind::kSums;
  int blocks = 0;  // of the output
  Operand in, out;
  // layers
  Operand source;  // shortcut
  Sink sink;
  DenseLayer dense = {};
  // bits
  const float *threshold = nullptr, *second = nullptr;  // by plane
  const int8_t *low = nullptr;                          // least level of each slot, of bytes; 0 in padding
  int bits_stride = 0, bits_at = 0;  // of a position's bits, in parts of 16: step, and the first of them
  int plane[2] = {};                 // bits for a local layer, by input of the group
  const int32_t *padded_index = nullptr;
  WindowLayer window = {};
  RowsOfBits rows_of_bits = {};
  int group = 0;  // blocks of a group mean, also beside the bits of a hidden layer
  Gather gather = {};
  Operand amplitude;                     // wave
  const float *source_factor = nullptr;  // of a local layer's shortcut, or null for 1
  LocalLayer local = {};
  Terms terms;  // sums
  // convolutions with full precision, and pools
  FullLayer full = {};
  PixelLayer pixels = {};
  int kernel[2] = {}, top = 0, left = 0, pools = 0, height = 0, width = 0, stride = 0;
  size_t padded_row = 0;  // numbers of a row of a map that has its margins, or 0
  Windows rows = {}, columns = {};
};

using RunInstruction = void (*)(const Instruction &, const Context &);

// Instructions of one instruction set.
struct Instructions {
  RunInstruction sum, sum_of_rows, pack, pack_plane, pack_rows, gather, group_mean, softmax, dense_bits, wave, full,
      pools;
  RunInstruction dense[5], local[5], local_affine[5], window[5];  // by SinkKind
  bool paired;                                                    // whether window layers take paired words
  bool tiles;                                                     // whether window layers take bytes, for a matrix unit
};

}  // namespace bimlp
