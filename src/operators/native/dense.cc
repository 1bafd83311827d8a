// Full-precision FC with bias, y = W x + bias, forward and backward.
//
// x (K, B, H, W) is a matrix of K rows and N columns, W (O, ...) one of O rows and K columns. The forward pass also
// gives a copy of W for the backward pass (see saved.h).
#include "matmul.h"
#include "pool.h"
#include "scratch.h"
#include "tensors.h"

namespace bimlp {
namespace {

// Panels of the matrix x, (rows, n).
float *pack(const float *x, int64_t rows, int64_t n) {
  float *panels = Scratch::get<float>(0, panels_of(n) * rows * kColumns);
  thread_pool().each((rows + 7) / 8, [&](int64_t group) {
    fill_rows(panels, rows, group * 8, std::min(rows, group * 8 + 8), n,
              [&](int64_t row, auto tag, int64_t i) { return load<decltype(tag)>(x + row * n + i); });
  });
  return panels;
}

}  // namespace

OPERATOR(dense_forward) {
  const float *x = t.get(0), *w = t.get(1), *bias = t.get(2);
  float *y = t.get(3), *saved = t.get(4);
  const int64_t in = t.dim(0, 0), out = t.dim(1, 0), n = t.size(0) / in;
  std::copy(w, w + in * out, saved);
  const float *panels = pack(x, in, n);
  float *blocks = Scratch::get<float>(1, blocks_of(out) * kRows * in);
  thread_pool().each(blocks_of(out), [&](int64_t block) {
    const int64_t first = block * kRows, last = std::min(out, first + kRows);
    fill_block(blocks, block, out, in, [&](int64_t row, int64_t k) { return w[row * in + k]; });
    matmul(blocks, panels, in, n, first, last, y, n);
    for (int64_t o = first; o < last; ++o) {
      for_vectors(n, [&](auto tag, int64_t i) {
        using T = decltype(tag);
        store(y + o * n + i, load<T>(y + o * n + i) + splat<T>(bias[o]));
      });
    }
  });
}

OPERATOR(dense_backward) {
  const float *dy = t.get(0), *x = t.get(1), *w = t.get(2);
  float *dx = t.get(3), *dw = t.get(4), *dbias = t.get(5);
  const int64_t in = t.dim(1, 0), out = t.dim(0, 0), n = t.size(1) / in;
  ThreadPool &pool = thread_pool();
  const float *gradients = pack(dy, out, n);
  float *blocks = Scratch::get<float>(1, blocks_of(in) * kRows * out);
  pool.each(blocks_of(in), [&](int64_t block) {
    const int64_t first = block * kRows, last = std::min(in, first + kRows);
    fill_block(blocks, block, in, out, [&](int64_t k, int64_t o) { return w[o * in + k]; });
    matmul(blocks, gradients, out, n, first, last, dx, n);
  });
  const int64_t step = transposed_rows_at_once(in);
  pool.each((in + step - 1) / step, [&](int64_t item) {
    const auto operand = [&](int64_t k, auto tag, int64_t i) { return load<decltype(tag)>(x + k * n + i); };
    matmul_transposed(gradients, out, n, item * step, std::min(in, (item + 1) * step), operand, dw, in);
  });
  pool.each(out, [&](int64_t o) {
    Sum sum;
    for_vectors(n, [&](auto tag, int64_t i) { sum.add(load<decltype(tag)>(dy + o * n + i)); });
    dbias[o] = sum.total();
  });
}

}  // namespace bimlp
