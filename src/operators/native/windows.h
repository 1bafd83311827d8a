// Products of a convolution on the planes of a Grid: forward, gradient of the input, gradient of the weight.
//
// The right operand is a list of pointers: its row k at position p is sources[k][p].
#pragma once
#include <vector>

#include "grid.h"
#include "matmul.h"
#include "pool.h"
#include "scratch.h"
#include "tensors.h"

namespace bimlp {

using Sources = std::vector<const float *>;

constexpr int64_t kGroupBytes = 1 << 19;  // of the panels that stay in the L2 cache for all rows

// Channels of a convolution's maps, numbers per channel, and their grid. x, y: numbers of the maps' tensors.
struct MapSizes {
  MapSizes(const Tensors &t, const Window &window, int x, int y)
      : in(t.dim(x, 0)),
        out(t.dim(y, 0)),
        n_in(t.size(x) / in),
        n(t.size(y) / out),
        grid(window, t.dim(x, 1), t.dim(x, 2), t.dim(x, 3), t.dim(y, 2), t.dim(y, 3)) {}

  int64_t in, out, n_in, n;
  Grid grid;
};

// Sources of the forward pass, [channel][tap], from the planes of all input channels.
inline Sources input_sources(const Grid &grid, const float *planes, int64_t channels) {
  Sources sources;
  for (int64_t c = 0; c < channels; ++c) {
    const float *channel = planes + c * grid.phases() * grid.room() + grid.margin();
    for (int64_t t = 0; t < grid.taps(); ++t) sources.push_back(channel + grid.phase(t) * grid.room() + grid.shift(t));
  }
  return sources;
}

// out[row * stride + p] = sum_k element(row, k) sources[k][p] for all positions p < size, a multiple of kColumns.
template <class F>
void multiply(const Sources &sources, int64_t rows, int64_t size, F element, float *out, int64_t stride) {
  const int64_t depth = static_cast<int64_t>(sources.size());
  float *blocks = Scratch::get<float>(6, blocks_of(rows) * kRows * depth);
  thread_pool().each(blocks_of(rows), [&](int64_t block) { fill_block(blocks, block, rows, depth, element); });
  const int64_t panels = size / kColumns;
  const int64_t group = std::clamp<int64_t>(kGroupBytes / (depth * kColumns * 4 + 1), 1, 1 + panels / 8);
  thread_pool().each((panels + group - 1) / group, [&](int64_t item) {
    const int64_t first = item * group, count = std::min(group, panels - first);
    float *packed = Scratch::get<float>(7, count * depth * kColumns);
    for (int64_t p = 0; p < count; ++p) {
      const int64_t start = (first + p) * kColumns;
      float *to = packed + p * depth * kColumns;
      for (int64_t k = 0; k < depth; ++k, to += kColumns) {
        store(to, load<Vec>(sources[k] + start));
        store(to + kLanes, load<Vec>(sources[k] + start + kLanes));
      }
    }
    for (int64_t row = 0; row < rows; row += kRows) {
      const int64_t height = std::min<int64_t>(kRows, rows - row);
      for (int64_t p = 0; p < count; ++p) {
        Vec sums[kRows][2];
        matmul_tile(blocks + row * depth, packed + p * depth * kColumns, depth, sums);
        for (int64_t r = 0; r < height; ++r) {
          float *to = out + (row + r) * stride + (first + p) * kColumns;
          store(to, sums[r][0]);
          store(to + kLanes, sums[r][1]);
        }
      }
    }
  });
}

// Planes of the input's gradient from the planes of the output's: operand(o, c, tap) is the weight.
template <class F>
void multiply_back(const Grid &grid, const float *gradients, int64_t in, int64_t out, F operand, float *planes) {
  for (int64_t phase = 0; phase < grid.phases(); ++phase) {
    std::vector<int64_t> taps;
    for (int64_t t = 0; t < grid.taps(); ++t)
      if (grid.phase(t) == phase) taps.push_back(t);
    Sources sources;
    for (int64_t o = 0; o < out; ++o)
      for (const int64_t t : taps) sources.push_back(gradients + o * grid.room() + grid.margin() - grid.shift(t));
    const int64_t count = static_cast<int64_t>(taps.size());
    multiply(
        sources, in, grid.size(), [&](int64_t c, int64_t k) { return operand(k / count, c, taps[k % count]); },
        planes + phase * grid.room() + grid.margin(), grid.phases() * grid.room());
  }
}

// Gradient (out, sources) of the weight from the planes of the output's gradient and the sources of the input.
inline void multiply_transposed(const Grid &grid, const float *gradients, int64_t out, const Sources &sources,
                                float *dweight) {
  float *panels = Scratch::get<float>(8, grid.size() * out);
  thread_pool().each((out + 7) / 8, [&](int64_t group) {
    fill_rows(panels, out, group * 8, std::min(out, group * 8 + 8), grid.size(), [&](int64_t o, auto tag, int64_t i) {
      return load<decltype(tag)>(gradients + o * grid.room() + grid.margin() + i);
    });
  });
  const int64_t rows = static_cast<int64_t>(sources.size()), step = transposed_rows_at_once(rows);
  thread_pool().each((rows + step - 1) / step, [&](int64_t item) {
    const auto operand = [&](int64_t k, auto tag, int64_t i) { return load<decltype(tag)>(sources[k] + i); };
    matmul_transposed(panels, out, grid.size(), item * step, std::min(rows, (item + 1) * step), operand, dweight, rows);
  });
}

}  // namespace bimlp
