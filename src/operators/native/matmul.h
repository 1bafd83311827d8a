// Matrix products on operands in panels.
//
// A matrix of R rows and N columns lies in panels of kColumns columns, as [panel][row][kColumns]. The last panel is
// padded with zeros. A product reads memory in order, whatever N is.
#pragma once
#include <algorithm>

#include "pool.h"
#include "scratch.h"
#include "simd.h"

namespace bimlp {

constexpr int kColumns = 2 * kLanes;
constexpr int kRows = kLanes == 16 ? 8 : 4;  // rows of one tile, whose sums fill the registers

inline int64_t panels_of(int64_t n) { return (n + kColumns - 1) / kColumns; }
inline int64_t blocks_of(int64_t rows) { return (rows + kRows - 1) / kRows; }

// Fills the rows [first, last) of panels with `rows` rows by the values f(row, T{}, i), i < n, vectors or floats. What
// is written lies side by side in a panel: the rows of all panels are too far apart to stay in a cache.
template <class F>
inline void fill_rows(float *panels, int64_t rows, int64_t first, int64_t last, int64_t n, F f) {
  const int64_t whole = n / kColumns;
  for (int64_t p = 0; p < whole; ++p) {
    for (int64_t row = first; row < last; ++row) {
      float *to = panels + (p * rows + row) * kColumns;
      store(to, f(row, Vec{}, p * kColumns));
      store(to + kLanes, f(row, Vec{}, p * kColumns + kLanes));
    }
  }
  if (whole == panels_of(n)) return;
  for (int64_t row = first; row < last; ++row) {
    float *to = panels + (whole * rows + row) * kColumns;
    for (int64_t j = 0; j < kColumns; ++j) {
      const int64_t i = whole * kColumns + j;
      to[j] = i < n ? f(row, float{}, i) : 0.0f;
    }
  }
}

// Fills one block of the left operand, [block][k][kRows], with element(row, k). The last block is padded with zeros.
template <class F>
inline void fill_block(float *blocks, int64_t block, int64_t rows, int64_t depth, F element) {
  float *to = blocks + block * depth * kRows;
  for (int64_t k = 0; k < depth; ++k) {
    for (int r = 0; r < kRows; ++r) {
      int64_t row = block * kRows + r;
      to[k * kRows + r] = row < rows ? element(row, k) : 0.0f;
    }
  }
}

// One tile of the product: sums[r][i] = sum_k block[k][r] panel[k][i].
inline void matmul_tile(const float *block, const float *panel, int64_t depth, Vec (&sums)[kRows][2]) {
  for (auto &row : sums) row[0] = row[1] = Vec{};
  for (int64_t k = 0; k < depth; ++k) {
    Vec low = load<Vec>(panel + k * kColumns), high = load<Vec>(panel + k * kColumns + kLanes);
    for (int r = 0; r < kRows; ++r) {
      Vec factor = splat<Vec>(block[k * kRows + r]);
      sums[r][0] += factor * low;
      sums[r][1] += factor * high;
    }
  }
}

// Rows [first, last) of the product into rows of `out`, n numbers of each, `stride` apart. `first` is a multiple of
// kRows.
inline void matmul(const float *blocks, const float *panels, int64_t depth, int64_t n, int64_t first, int64_t last,
                   float *out, int64_t stride) {
  Vec sums[kRows][2];
  for (int64_t p = 0; p < panels_of(n); ++p) {
    int64_t start = p * kColumns, count = std::min<int64_t>(kColumns, n - start);
    for (int64_t row = first; row < last; row += kRows) {
      matmul_tile(blocks + row * depth, panels + p * depth * kColumns, depth, sums);
      int64_t rows = std::min<int64_t>(kRows, last - row);
      for (int64_t r = 0; r < rows; ++r) {
        float *to = out + (row + r) * stride + start;
        if (count == kColumns) {
          store(to, sums[r][0]);
          store(to + kLanes, sums[r][1]);
        } else {
          std::memcpy(to, sums[r], count * sizeof(float));
        }
      }
    }
  }
}

constexpr int kLeftRows = kLanes == 16 ? 4 : 2;   // rows of `left` in a tile
constexpr int kRightRows = kLanes == 16 ? 6 : 3;  // rows of `right` in a tile
constexpr int64_t kSlab = 1024;                   // columns of a slab
constexpr int64_t kGroupRows = 256;               // rows of `left` that stay in the L2 cache with a slab

// One tile of the product with a transposed operand, over `panels` panels: out[r][c] += sum_i left[r][i] right[c][i]
// for R rows of left and the first `count` of kRightRows rows of right.
template <int R>
inline void transposed_tile(const float *left, int64_t left_rows, const float *right, int64_t panels, int64_t count,
                            float *out, int64_t stride) {
  Vec sums[R][kRightRows] = {};
  for (int64_t p = 0; p < panels; ++p) {
    for (int half = 0; half < kColumns; half += kLanes) {
      Vec a[R];
      for (int r = 0; r < R; ++r) a[r] = load<Vec>(left + (p * left_rows + r) * kColumns + half);
      for (int c = 0; c < kRightRows; ++c) {
        Vec b = load<Vec>(right + (p * kRightRows + c) * kColumns + half);
        for (int r = 0; r < R; ++r) sums[r][c] += a[r] * b;
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int c = 0; c < kRightRows; ++c) {
      const float sum = lanes_sum(sums[r][c]);
      if (c < count) out[r * stride + c] += sum;
    }
  }
}

// Adds a product with a transposed operand, out[r][c] += sum_i left[r][i] right[c][i] over the n <= kSlab columns of a
// slab, for all rows of left and the rows [first, last) of right. left lies in panels; right(c, T{}, i) gives a vector
// or a float. out has `stride` columns.
template <class F>
inline void add_transposed(const float *left, int64_t left_rows, int64_t n, int64_t first, int64_t last, F right,
                           float *out, int64_t stride) {
  const int64_t panels = panels_of(n);
  float *tile = Scratch::get<float>(5, kSlab * kRightRows);
  for (int64_t group = 0; group < left_rows; group += kGroupRows) {
    for (int64_t c = first; c < last; c += kRightRows) {
      const int64_t count = std::min<int64_t>(kRightRows, last - c);
      for (int64_t k = 0; k < kRightRows; ++k) {
        fill_rows(tile, kRightRows, k, k + 1, n,
                  [&](int64_t, auto tag, int64_t i) { return right(c + std::min(k, count - 1), tag, i); });
      }
      const int64_t end = std::min(group + kGroupRows, left_rows);
      int64_t r = group;
      for (; r + kLeftRows <= end; r += kLeftRows)
        transposed_tile<kLeftRows>(left + r * kColumns, left_rows, tile, panels, count, out + r * stride + c, stride);
      for (; r < end; ++r)
        transposed_tile<1>(left + r * kColumns, left_rows, tile, panels, count, out + r * stride + c, stride);
    }
  }
}

// Product with a transposed operand: out[r][c] = sum_i left[r][i] right[c][i], as add_transposed over n columns.
template <class F>
inline void matmul_transposed(const float *left, int64_t left_rows, int64_t n, int64_t first, int64_t last, F right,
                              float *out, int64_t stride) {
  for (int64_t r = 0; r < left_rows; ++r) std::fill(out + r * stride + first, out + r * stride + last, 0.0f);
  for (int64_t start = 0; start < n; start += kSlab) {
    add_transposed(
        left + start * left_rows, left_rows, std::min(kSlab, n - start), first, last,
        [&](int64_t c, auto tag, int64_t i) { return right(c, tag, start + i); }, out, stride);
  }
}

// Rows of `right` in one work item of a thread.
inline int64_t transposed_rows_at_once(int64_t rows) {
  const int64_t share = rows / (2 * thread_pool().size());
  return std::clamp<int64_t>((share + kRightRows - 1) / kRightRows, 1, 8) * kRightRows;
}

}  // namespace bimlp
