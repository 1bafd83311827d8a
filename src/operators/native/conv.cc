// Full-precision convolution with bias and a window of any size, forward and backward.
//
// x (C, B, H, W), W (O, C, kh, kw), y (O, B, H', W'). The forward pass also gives a copy of W for the backward pass
// (see saved.h). The gradients of x and W are two operators, so that a stem, whose input needs none, computes one.
#include "tensors.h"
#include "windows.h"

namespace bimlp {
namespace {

// Grid of an input tensor x and an output tensor y, by their numbers.
Grid grid_of(const Tensors &t, const Window &window, int x, int y) {
  return {window, t.dim(x, 1), t.dim(x, 2), t.dim(x, 3), t.dim(y, 2), t.dim(y, 3)};
}

// Planes of all channels of x.
float *input_planes(const Grid &grid, const float *x, int64_t channels, int64_t n) {
  const int64_t room = grid.phases() * grid.room();
  float *planes = Scratch::get<float>(0, channels * room);
  thread_pool().each(channels, [&](int64_t c) { grid.spread_input(x + c * n, planes + c * room); });
  return planes;
}

// Planes of all channels of the output's gradient.
float *gradient_planes(const Grid &grid, const float *dy, int64_t channels, int64_t n) {
  float *planes = Scratch::get<float>(1, channels * grid.room());
  thread_pool().each(channels, [&](int64_t o) { grid.spread_output(dy + o * n, planes + o * grid.room()); });
  return planes;
}

}  // namespace

// Inputs: window, x, weight, bias. Outputs: y, saved (the weight).
OPERATOR(conv_forward) {
  const Window window(t.get<int32_t>(0));
  const float *x = t.get(1), *w = t.get(2), *bias = t.get(3);
  float *y = t.get(4), *saved = t.get(5);
  const int64_t in = t.dim(1, 0), out = t.dim(2, 0), depth = in * window.taps();
  const int64_t n_in = t.size(1) / in, n = t.size(4) / out;
  const Grid grid = grid_of(t, window, 1, 4);
  std::copy(w, w + out * depth, saved);
  const Sources sources = input_sources(grid, input_planes(grid, x, in, n_in), in);
  float *sums = Scratch::get<float>(2, out * grid.size());
  multiply(sources, out, grid.size(), [&](int64_t o, int64_t k) { return w[o * depth + k]; }, sums, grid.size());
  thread_pool().each(out, [&](int64_t o) {
    float *row = y + o * n;
    grid.gather_output(sums + o * grid.size(), row);
    for_vectors(n, [&](auto tag, int64_t i) {
      using T = decltype(tag);
      store(row + i, load<T>(row + i) + splat<T>(bias[o]));
    });
  });
}

// Inputs: window, dy, x, weight. Output: dx.
OPERATOR(conv_backward_input) {
  const Window window(t.get<int32_t>(0));
  const float *dy = t.get(1), *w = t.get(3);
  float *dx = t.get(4);
  const int64_t in = t.dim(2, 0), out = t.dim(1, 0), n_in = t.size(2) / in, n = t.size(1) / out;
  const Grid grid = grid_of(t, window, 2, 1);
  const int64_t room = grid.phases() * grid.room();
  float *planes = Scratch::get<float>(0, in * room);
  const auto operand = [&](int64_t o, int64_t c, int64_t tap) { return w[(o * in + c) * window.taps() + tap]; };
  multiply_back(grid, gradient_planes(grid, dy, out, n), in, out, operand, planes);
  thread_pool().each(in, [&](int64_t c) { grid.gather_input(planes + c * room, dx + c * n_in); });
}

// Inputs: window, dy, x, weight (for its shape). Outputs: dweight, dbias.
OPERATOR(conv_backward_weight) {
  const Window window(t.get<int32_t>(0));
  const float *dy = t.get(1), *x = t.get(2);
  float *dw = t.get(4), *dbias = t.get(5);
  const int64_t in = t.dim(2, 0), out = t.dim(1, 0), n_in = t.size(2) / in, n = t.size(1) / out;
  const Grid grid = grid_of(t, window, 2, 1);
  const Sources sources = input_sources(grid, input_planes(grid, x, in, n_in), in);
  multiply_transposed(grid, gradient_planes(grid, dy, out, n), out, sources, dw);
  thread_pool().each(out, [&](int64_t o) {
    Sum sum;
    for_vectors(n, [&](auto tag, int64_t i) { sum.add(load<decltype(tag)>(dy + o * n + i)); });
    dbias[o] = sum.total();
  });
}

}  // namespace bimlp
