// Kernels of an instruction set: the passes over one image, as a table of functions.
#pragma once
#include "../../native/inline.h"
#include "plan.h"
#include "tracer.h"

namespace bimlp {

// Scratch memory of a thread.
struct Scratch {
  float *z, *gathered, *phase, *amplitude, *column;
  uint32_t *bits, *hidden_bits;
  uint8_t *slices[4], *counts;  // mismatches in a row of a local FC: bit slices, and bytes
};

// Data of the passes over one MBB block of one image.
struct BlockPass {
  const Stage *stage;
  const Block *block;
  int branches;                 // branches of MBB block 1
  float *x;                     // the map: tokens x slots
  float *const *branch;         // a map per branch
  uint8_t *const *planes;       // maps of bits with margins (plan.h), two per spatial branch
  float *row_sums;              // rows x slots
  const float *branch_weights;  // branches x slots
  Tracer tracer;
};

constexpr int kPools = 4;

// Windows of the max-pools 2, 3, 5, 7 with stride 2 and padding SAME at output i. Each lies in the next one.
struct PoolWindows {
  int begin[kPools], end[kPools];

  PoolWindows(int size, int i) {
    constexpr int kernels[kPools] = {2, 3, 5, 7};
    for (int w = 0; w < kPools; ++w) {
      const int total = ((size + 1) / 2 - 1) * 2 + kernels[w] - size, before = total > 0 ? total / 2 : 0;
      const int first = 2 * i - before, last = first + kernels[w];
      begin[w] = first > 0 ? first : 0;
      end[w] = last < size ? last : size;
    }
  }
};

// Table of the functions of one instruction set.
struct Kernels {
  const char *name;
  void (*full_fc)(const FullFC &, const float *x, size_t run_stride, size_t token_stride, int tokens, float *out);
  void (*branch)(const BlockPass &, const Scratch &, int first, int count);  // tokens
  void (*mix_row)(const BlockPass &, const Scratch &, int y);
  void (*reweight)(const BlockPass &, const Scratch &, const float *mean, float *weights);
  void (*project)(const BlockPass &, const Scratch &, int first, int count);
  void (*merge_row)(const BlockPass &, const Scratch &, int y);
  void (*pool_row)(const float *map, int size, int blocks, int y, float *column, float *out);
  void (*head)(const Head &, const float *mean, float *normed, float *logits);

  // single layers, for tests
  void (*pack_signs)(const float *x, int tokens, int slots, const float *threshold, uint32_t *bits,
                     const int32_t *padded_index);
  void (*single_fc)(const BinaryFC &, const uint32_t *bits, int tokens, const float *source, int stride, float *out);
  void (*single_local)(const LocalFC &, const uint8_t *const *planes, int size, int y, const Scratch &,
                       const float *source, float *out);
};

const Kernels *scalar_kernels();
const Kernels *avx2_kernels();  // null if not compiled
const Kernels *avx512_kernels();

}  // namespace bimlp
