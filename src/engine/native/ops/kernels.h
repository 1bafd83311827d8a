// One operation ready to run, and the table of the operations of one instruction set.
//
// Sources of several instruction sets include this file: it has no functions that are not templates over the lanes.
#pragma once
#include "../graph/graph.h"
#include "instruction.h"

namespace bimlp {

// Map of height x width positions, each a row of slots: the channels, and padding up to a multiple of kLanes.
struct MapShape {
  int channels, height, width, slots;
};

// Bits and weights of a binary convolution. A position's bits are `words` words for each group, from a group's first
// channel on; weights have the same order for each tap, 16 outputs side by side.
struct BinaryFilter {
  int planes;              // bits per number: 2 for three levels
  int words;               // of a group's channels
  float threshold[2];      // of the numbers that binarize makes, by plane: a bit is x > threshold
  uint32_t margin[2];      // bit outside of the map, by plane
  const uint32_t *weight;  // output blocks x taps x words x 16
  // The sum is scale * mismatches + base[output], and outside_factor * tap_sum[tap x outputs] for each tap outside.
  float scale;
  const float *base;
  float outside_factor;
  const float *tap_sum;
};

struct Step {
  Op op;
  int inputs;
  const MapShape *in;  // by input
  MapShape out;
  int kernel[2], stride, top, left;  // height, width
  int groups, group, start, step, kind;
  Levels levels;
  Function function;
  float epsilon;
  const float *vectors[2];  // by slot of the input; padding has zeros
  const float *filter;      // output blocks x taps x channels of a group x 16
  const uint32_t *order;
  BinaryFilter binary;
};

// Scratch memory of a thread.
struct OpScratch {
  uint32_t *bits;  // rows of a window: planes x kernel height x padded width x groups x words
};

// Rows begin .. end - 1 of the output.
using RunRows = void (*)(const Step &, const float *const *in, float *out, int begin, int end, const OpScratch &);

struct OpKernels {
  const char *name;
  RunRows rows[kOps + 1];  // by the operation's number
  Instructions fused;
};

const OpKernels *scalar_kernels();
const OpKernels *avx2_kernels();  // null if not compiled
const OpKernels *avx512_kernels();
const OpKernels *amx_kernels();
const OpKernels *neon_kernels();
const OpKernels *neon_dot_kernels();

}  // namespace bimlp
