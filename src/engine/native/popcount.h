// Binary FCs by XOR and popcount, for the instruction sets that count differing bits.
#pragma once
#include <cstring>

#include "passes.h"

namespace bimlp {

// What an instruction set has to set up before a pass: nothing.
struct NoSession {
  NoSession() {}
};

// each(block, over): over(f) calls f(token, counts) for all tokens
template <class V, int T, class Each>
void popcount_tile(const BinaryFC &layer, const uint32_t *bits, Each &each) {
  const auto *weight = static_cast<const uint32_t *>(layer.weight);
  const size_t block_size = static_cast<size_t>(layer.words) * kLanes;
  int block = 0;
  for (; block + V::kBlocks <= layer.blocks; block += V::kBlocks) {
    typename V::I counts[T][V::kBlocks];
    V::template mismatches<T, V::kBlocks>(bits, layer.words, weight + block * block_size, counts);
#pragma GCC unroll 4
    for (int j = 0; j < V::kBlocks; ++j) {
      each(block + j, [&](auto f) {
#pragma GCC unroll 8
        for (int t = 0; t < T; ++t) f(t, counts[t][j]);
      });
    }
  }
  for (; block < layer.blocks; ++block) {
    typename V::I counts[T][1];
    V::template mismatches<T, 1>(bits, layer.words, weight + block * block_size, counts);
    each(block, [&](auto f) {
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) f(t, counts[t][0]);
    });
  }
}

template <class V, int T, class Each>
void popcount_any(const BinaryFC &layer, const uint32_t *bits, int tokens, Each &each) {
  if (tokens == T) return popcount_tile<V, T>(layer, bits, each);
  if constexpr (T > 1) popcount_any<V, T - 1>(layer, bits, tokens, each);
}

template <class V, class Each>
void popcount_sums(const BinaryFC &layer, const uint32_t *bits, int tokens, Each &each) {
  popcount_any<V, V::kTile>(layer, bits, tokens, each);
}

// Static, for every instruction set its own: of inline ones the linker would keep one, perhaps that with AVX2, for all.
// layout: block, word, 16 rows
static size_t popcount_weight_bytes(int blocks, int words) {
  return sizeof(uint32_t) * kLanes * static_cast<size_t>(blocks) * words;
}

static void popcount_arrange(const uint32_t *rows, const uint32_t *, int blocks, int words, void *out) {
  auto *to = static_cast<uint32_t *>(out);
  for (int b = 0; b < blocks; ++b)
    for (int k = 0; k < words; ++k)
      for (int l = 0; l < kLanes; ++l) *to++ = rows[static_cast<size_t>(kLanes * b + l) * words + k];
}

template <class V>
Kernels popcount_kernels() {
  Kernels table = pass_kernels<V>();
  table.counts_mismatches = true;
  table.weight_bytes = popcount_weight_bytes;
  table.arrange = popcount_arrange;
  return table;
}

}  // namespace bimlp
