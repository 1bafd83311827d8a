// Full-precision convolution with bias, in groups, and a window of any size, forward and backward.
//
// x (C, B, H, W), W (O, C / G, kh, kw), y (O, B, H', W') in G groups: each is a convolution of its channels alone. The
// forward pass also gives a copy of W for the backward pass (see saved.h). The gradients of x and W are two operators,
// so that a stem, whose input needs none, computes one.
#include "windows.h"

namespace bimlp {
namespace {

// Sizes of a convolution in groups. weight: number of the weight's tensor.
struct Sizes : MapSizes {
  Sizes(const Tensors &t, const Window &window, int x, int weight, int y)
      : MapSizes(t, window, x, y),
        group_in(t.dim(weight, 1)),
        groups(in / group_in),
        group_out(out / groups),
        depth(group_in * window.taps()) {}

  int64_t group_in, groups, group_out, depth;
};

// Planes of all channels of x, `room` numbers each.
float *input_planes(const Sizes &size, const float *x, int64_t room) {
  float *planes = Scratch::get<float>(0, size.in * room);
  thread_pool().each(size.in, [&](int64_t c) { size.grid.spread_input(x + c * size.n_in, planes + c * room); });
  return planes;
}

// Planes of all channels of the output's gradient.
float *gradient_planes(const Sizes &size, const float *dy) {
  const int64_t room = size.grid.room();
  float *planes = Scratch::get<float>(1, size.out * room);
  thread_pool().each(size.out, [&](int64_t o) { size.grid.spread_output(dy + o * size.n, planes + o * room); });
  return planes;
}

}  // namespace

// Inputs: window, x, weight, bias. Outputs: y, saved (the weight).
OPERATOR(conv_forward) {
  const Window window(t.get<int32_t>(0));
  const Sizes size(t, window, 1, 2, 4);
  const Grid &grid = size.grid;
  const float *x = t.get(1), *w = t.get(2), *bias = t.get(3);
  float *y = t.get(4), *saved = t.get(5);
  const int64_t depth = size.depth, n = size.n, room = grid.phases() * grid.room();
  std::copy(w, w + size.out * depth, saved);
  const float *planes = input_planes(size, x, room);
  float *sums = Scratch::get<float>(2, size.out * grid.size());
  for (int64_t g = 0; g < size.groups; ++g) {
    const int64_t first = g * size.group_out;
    const Sources sources = input_sources(grid, planes + g * size.group_in * room, size.group_in);
    const auto element = [&](int64_t o, int64_t k) { return w[(first + o) * depth + k]; };
    multiply(sources, size.group_out, grid.size(), element, sums + first * grid.size(), grid.size());
  }
  thread_pool().each(size.out, [&](int64_t o) {
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
  const Sizes size(t, window, 2, 3, 1);
  const Grid &grid = size.grid;
  const float *dy = t.get(1), *w = t.get(3);
  float *dx = t.get(4);
  const int64_t room = grid.phases() * grid.room();
  float *planes = Scratch::get<float>(0, size.in * room);
  const float *gradients = gradient_planes(size, dy);
  for (int64_t g = 0; g < size.groups; ++g) {
    const int64_t first = g * size.group_out;
    const auto operand = [&](int64_t o, int64_t c, int64_t tap) {
      return w[((first + o) * size.group_in + c) * window.taps() + tap];
    };
    multiply_back(grid, gradients + first * grid.room(), size.group_in, size.group_out, operand,
                  planes + g * size.group_in * room);
  }
  thread_pool().each(size.in, [&](int64_t c) { grid.gather_input(planes + c * room, dx + c * size.n_in); });
}

// Inputs: window, dy, x, weight (for its shape). Outputs: dweight, dbias.
OPERATOR(conv_backward_weight) {
  const Window window(t.get<int32_t>(0));
  const Sizes size(t, window, 2, 3, 1);
  const Grid &grid = size.grid;
  const float *dy = t.get(1), *x = t.get(2);
  float *dw = t.get(4), *dbias = t.get(5);
  const int64_t n = size.n, room = grid.phases() * grid.room();
  const float *planes = input_planes(size, x, room), *gradients = gradient_planes(size, dy);
  for (int64_t g = 0; g < size.groups; ++g) {
    const int64_t first = g * size.group_out;
    const Sources sources = input_sources(grid, planes + g * size.group_in * room, size.group_in);
    multiply_transposed(grid, gradients + first * grid.room(), size.group_out, sources, dw + first * size.depth);
  }
  thread_pool().each(size.out, [&](int64_t o) {
    Sum sum;
    for_vectors(n, [&](auto tag, int64_t i) { sum.add(load<decltype(tag)>(dy + o * n + i)); });
    dbias[o] = sum.total();
  });
}

}  // namespace bimlp
